// A printer that was found and approved, as a line of configuration. Pure.
//
// AL1. The line means to parsePrinter (config.ts) what the order meant: whatever a found device calls
//      itself can neither begin another printer nor another option.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Adopt } from "@gantry/shared/contract/adopt.ts";

const SECRET_NAMES = {
  moonraker: "key",
  octoprint: "key",
  prusalink: "password",
  bambu: "code",
} as const;

/** Throws bad_config for what cannot be driven. */
export function adoptedLine(adopt: Adopt): string {
  const { id, kind, address, serial, secret, user, size, baud, firmware } = adopt;
  if (!/^[\w.:/@%+-]{1,200}$/.test(address) || address.includes("..")) {
    throw new GantryError("bad_config", `${JSON.stringify(address)} is no address of a printer`); // AL1
  }
  const options = new URLSearchParams();
  const put = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) options.set(name, String(value));
  };
  put("size", size);
  switch (kind) {
    case "serial":
      if (!address.startsWith("/dev/")) {
        throw new GantryError("bad_config", "A serial port is a file of /dev");
      }
      put("baud", baud);
      break;
    case "moonraker":
    case "octoprint":
      put(SECRET_NAMES[kind], secret);
      break;
    case "prusalink":
      if (user !== undefined) put("user", user);
      put(user === undefined ? "key" : SECRET_NAMES.prusalink, secret);
      break;
    case "bambu":
      put("serial", serial);
      put(SECRET_NAMES.bambu, secret);
      break;
    case "wyoming":
    case "mqtt":
    case "camera":
      throw new GantryError("bad_config", `A ${kind} is no printer`);
  }
  const scheme = kind === "serial" && firmware === "grbl" ? "grbl" : kind;
  const query = options.toString();
  return `${id}=${scheme}:${address}${query === "" ? "" : `?${query}`}`;
}
