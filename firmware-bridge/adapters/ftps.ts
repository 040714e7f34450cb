// Files to a printer over FTP with implicit TLS, through the basic-ftp package.
//
// FT1. The name and the password leave only after the certificate was found to be the printer's.
// FT2. A transfer of which the printer takes nothing for TIMEOUT.printerStallMs is given up.

import { Readable } from "node:stream";
import { TLSSocket } from "node:tls";
import { Client } from "basic-ftp";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { CheckPeer } from "./pins.ts";

export interface FtpsOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly checkPeer: CheckPeer;
}

/** Rejects with unreachable, unauthenticated or the signal's reason. */
export const ftpsUpload = (
  options: FtpsOptions,
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> =>
  withClient(options, signal, async (client) => {
    await client.uploadFrom(Readable.from(chunks), name);
  });

/** As above; a file that is not there is no fault. */
export const ftpsRemove = (
  options: FtpsOptions,
  name: string,
  signal: AbortSignal,
): Promise<void> =>
  withClient(options, signal, async (client) => {
    await client.remove(name, true);
  });

async function withClient(
  { host, port, user, password, checkPeer }: FtpsOptions,
  signal: AbortSignal,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  const client = new Client(TIMEOUT.printerStallMs, { allowSeparateTransferHost: false }); // FT2
  const onAbort = (): void => client.close();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    // The pin below says who it is: no public root knows a printer.
    await client.connectImplicitTLS(host, port, { rejectUnauthorized: false });
    const { socket } = client.ftp;
    if (!(socket instanceof TLSSocket)) throw new GantryError("unreachable", "It speaks no TLS");
    await checkPeer(socket); // FT1
    await client.login(user, password);
    await client.useDefaultSettings();
    await work(client);
  } catch (cause) {
    if (signal.aborted) throw reasonOf(signal);
    if (cause instanceof GantryError) throw cause;
    throw faultOf(cause, host);
  } finally {
    signal.removeEventListener("abort", onAbort);
    client.close();
  }
}

const NOT_LOGGED_IN = 530;

/** The server's own words may repeat what was sent; its code does not. */
function faultOf(cause: unknown, host: string): GantryError {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  if (code === NOT_LOGGED_IN) {
    return new GantryError("unauthenticated", "The printer does not take our access code");
  }
  const shown = typeof code === "number" || typeof code === "string" ? `: ${code}` : "";
  return new GantryError("unreachable", `Files cannot be sent to ${host}${shown}`);
}
