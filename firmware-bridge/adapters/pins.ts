// Which certificate a printer showed at the first connection, one small file for each printer.
//
// PI1. A printer's certificate is its maker's or its own, so no public root vouches for it. The first
//      one that bears the printer's serial is remembered, as ssh does; another one later is refused
//      before the access code is sent. A fingerprint in the configuration is better, and wins.

import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";

/** Resolves if this is the printer. Rejects with unauthenticated. PI1 */
export type CheckPeer = (socket: TLSSocket) => Promise<void>;

export interface PinOptions {
  readonly serial: string;
  /** 64 hex digits, from the configuration. */
  readonly fingerprint: string | undefined;
  /** Where the first one is remembered. */
  readonly path: string;
}

export const pinPath = (dataDir: string, printer: string): string =>
  join(dataDir, "bridge", "certificates", `${printer}.sha256`);

export function makeCheckPeer({ serial, fingerprint, path }: PinOptions): CheckPeer {
  let expected = fingerprint;
  return async (socket) => {
    const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer }; // {} where there is none
    if (raw === undefined) throw refused("shows no certificate");
    const certificate = new X509Certificate(raw);
    const shown = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
    expected ??= await remembered(path);
    if (expected === undefined) {
      const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1];
      if (name !== serial) throw refused(`has a certificate of another name than ${serial}`);
      await writeFileDurably(path, `${shown}\n`, 0o600);
      expected = shown;
    }
    if (shown === expected) return;
    throw refused(`shows another certificate than before; if that is right, remove ${path}`);
  };
}

async function remembered(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new GantryError("io_error", `${path} cannot be read`, { cause });
  });
  const found = text?.trim();
  if (found === undefined || /^[0-9a-f]{64}$/.test(found)) return found;
  throw new GantryError("data_damaged", `${path} holds no fingerprint`);
}

const refused = (why: string): GantryError =>
  new GantryError("unauthenticated", `The printer ${why}`);
