// A printer behind OctoPrint, by its REST API and an API key. Not its serial line: OctoPrint holds the
// file and streams it.
//
// OA1. `select` with `print` is one command: no other file can come between.
// OA2. Its emergency stop is M112 through OctoPrint's own queue jump; it is as fast as OctoPrint is.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { RemoteEvents, RemotePrinter, RemoteSession } from "../ports.ts";
import { factsAt, textAt } from "../protocols/facts.ts";
import { publicUrl } from "../protocols/moonraker.ts";
import { isTaken, octoprintOutcome, octoprintStatus } from "../protocols/octoprint.ts";
import type { RemoteStatus } from "../protocols/remote.ts";
import { assertGood, type HttpSend, makeHttpSend, multipart } from "./http-client.ts";
import { factsIn, type HttpPrinter, makeHttpPrinter, openPolled } from "./polled.ts";

export interface OctoprintOptions {
  readonly base: URL;
  readonly key: string;
  readonly clock: Clock;
}

const CONFLICT = 409;
const NOT_FOUND = 404;

export const octoprintPrinter = (options: OctoprintOptions): RemotePrinter => ({
  driver: "octoprint",
  open: (events, signal) => open(options, events, signal),
});

async function open(
  { base, key, clock }: OctoprintOptions,
  events: RemoteEvents,
  signal: AbortSignal,
): Promise<RemoteSession> {
  const plain = makeHttpSend(clock);
  const send: HttpSend = (ask, limited) =>
    plain({ ...ask, headers: { ...ask.headers, "x-api-key": key } }, limited);
  const printer = makeHttpPrinter(base, send);
  const version = await printer.facts("/api/version", signal);
  const webcamUrl = await webcamOf(printer, base, signal);

  async function poll(limited: AbortSignal): Promise<RemoteStatus> {
    const path = "/api/printer?exclude=sd";
    const reply = await printer.ask({ method: "GET", path }, limited);
    const isConnected = reply.status !== CONFLICT;
    if (isConnected) assertGood(reply, path);
    const said = isConnected ? factsIn(reply, path) : undefined;
    const job = await printer.facts("/api/job", limited);
    return octoprintStatus({ version, printer: said, job, webcamUrl });
  }

  const polled = await openPolled(poll, events, clock, signal);
  const job = async (body: object, limited: AbortSignal): Promise<void> => {
    await printer.command("POST", "/api/job", body, limited);
    await polled.pollNow(limited);
  };
  return {
    async upload(name, file, limited) {
      const fields = { select: "false", print: "false" };
      const { headers, body } = multipart(`gantry-${file.sha256}`, fields, name, file);
      const path = "/api/files/local";
      const reply = await printer.ask({ method: "POST", path, headers, body }, limited);
      assertGood(reply, "the upload");
      if (isTaken(reply.body, name)) return;
      throw new GantryError("bad_frame", "OctoPrint does not confirm the upload");
    },
    async begin(name, limited) {
      await printer.command("POST", fileOf(name), { command: "select", print: true }, limited); // OA1
      await polled.pollNow(limited);
    },
    pause: (limited) => job({ command: "pause", action: "pause" }, limited),
    resume: (limited) => job({ command: "pause", action: "resume" }, limited),
    cancel: (limited) => job({ command: "cancel" }, limited),
    halt: (limited) =>
      printer.command("POST", "/api/printer/command", { commands: ["M112"] }, limited), // OA2
    recover: (limited) =>
      printer.command("POST", "/api/connection", { command: "connect" }, limited),
    async outcome(name, limited) {
      const reply = await printer.ask({ method: "GET", path: fileOf(name) }, limited);
      if (reply.status === NOT_FOUND) return "unknown";
      assertGood(reply, "a file");
      return octoprintOutcome(reply.body);
    },
    remove: (name, limited) => printer.command("DELETE", fileOf(name), undefined, limited),
    close: () => polled.close(),
  };
}

const fileOf = (name: string): string => `/api/files/local/${encodeURIComponent(name)}`;

/** Where the key may not read settings, there is no address. */
async function webcamOf(
  printer: HttpPrinter,
  base: URL,
  signal: AbortSignal,
): Promise<string | undefined> {
  const reply = await printer.ask({ method: "GET", path: "/api/settings" }, signal);
  if (reply.status !== 200) return undefined;
  const address = textAt(factsAt(factsIn(reply, "the settings"), "webcam"), "streamUrl");
  return address === undefined || address === "" ? undefined : publicUrl(address, base.origin);
}
