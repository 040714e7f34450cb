// gantry version.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, show } from "../context.ts";

export const version: Command = async (context) => {
  const reply = { version: versionText(), node: process.versions.node };
  show(context, reply, () => `gantry ${reply.version} on Node ${reply.node}`);
};

export function versionText(): string {
  const path = join(import.meta.dirname, "..", "..", "package.json");
  const facts = JSON.parse(readFileSync(path, "utf8")) as { readonly version: string };
  return facts.version;
}
