// What the command line remembers between calls: the last conversation with each hub.
// It is a convenience: a file that cannot be read or written never stops a command.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Environment } from "@gantry/shared/contract/config.ts";
import { parseObject } from "@gantry/shared/client/problem.ts";
import { readText } from "./context.ts";

export interface Memory {
  lastConversation(hub: string): string | undefined;
  remember(hub: string, conversation: string): void;
}

/** In $XDG_STATE_HOME/gantry, else ~/.local/state/gantry; without a home nothing is remembered. */
export function openMemory(env: Environment): Memory {
  const home = env["HOME"];
  const state = env["XDG_STATE_HOME"] || (home ? join(home, ".local", "state") : undefined);
  const path = state === undefined ? undefined : join(state, "gantry", "conversations.json");
  const read = (): Readonly<Record<string, unknown>> =>
    parseObject((path === undefined ? undefined : readText(path)) ?? "") ?? {};
  return {
    lastConversation: (hub) => {
      const id = read()[hub];
      return typeof id === "string" ? id : undefined;
    },
    remember: (hub, conversation) => {
      const known = read();
      if (path === undefined || known[hub] === conversation) return;
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        const draft = `${path}.${process.pid}`;
        writeFileSync(draft, JSON.stringify({ ...known, [hub]: conversation }), { mode: 0o600 });
        renameSync(draft, path);
      } catch {
        // A read-only home: the next call begins a new conversation, nothing else is lost.
      }
    },
  };
}
