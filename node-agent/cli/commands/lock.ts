// gantry lock: exclusive rights with fencing tokens.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatSeconds } from "../render/units.ts";

const TTL_MAX_S = 86_400;
const WAIT_MAX_S = TIMEOUT.lockWaitMs / 1_000;

export const lock: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [verb = ""] = context.words;
  const key = (): string => wordAt(context, 1, "The name of the lock");
  switch (verb) {
    case "list": {
      const reply = await client.locks({ signal });
      return show(
        context,
        reply,
        (look) =>
          renderTable(
            look,
            [
              { title: "LOCK", value: (row) => row.name },
              { title: "OWNER", value: (row) => row.owner },
              { title: "BY", value: (row) => row.by },
              { title: "TOKEN", value: (row) => String(row.token), align: "right" },
              { title: "LIFE", value: (row) => formatSeconds(row.ttlMs / 1_000) },
              { title: "SINCE", value: (row) => row.acquiredAt },
              { title: "WAITING", value: (row) => waitingLine(row.waiting) },
            ],
            reply.locks,
            "Nobody holds a lock.",
          ) + deadlockLines(reply.deadlocks),
      );
    }
    case "acquire": {
      const owner = textOption(context.options, "owner");
      const ttlS = intOption(context.options, "ttl", { min: 1, max: TTL_MAX_S });
      const waitS = intOption(context.options, "wait", { min: 1, max: WAIT_MAX_S });
      const body = {
        ...(owner === undefined ? {} : { owner }),
        ...(ttlS === undefined ? {} : { ttlMs: ttlS * 1_000 }),
        ...(waitS === undefined ? {} : { wait: true, waitMs: waitS * 1_000 }),
      };
      const limit = waitS === undefined ? {} : { timeoutMs: waitS * 1_000 + TIMEOUT.proposeMs };
      const given = await client.lockAcquired({ key: key(), body, signal, ...limit });
      return show(context, given, () => heldLine(given));
    }
    case "cancel": {
      const owner = textOption(context.options, "owner");
      const query = owner === undefined ? {} : { owner };
      const reply = await client.lockWaitCancelled({ key: key(), query, signal });
      return show(context, reply, () =>
        cleanLine(`${owner ?? "You"} no longer waits for ${key()}`),
      );
    }
    case "renew": {
      const given = await client.lockRenewed({
        key: key(),
        body: { token: fence(context) },
        signal,
      });
      return show(context, given, () => heldLine(given));
    }
    case "release": {
      const reply = await client.lockReleased({
        key: key(),
        query: { token: fence(context) },
        signal,
      });
      return show(context, reply, () => cleanLine(`${key()} is released`));
    }
    default:
      throw badUsage(
        context.name,
        context.spec,
        `"${verb}" is not list, acquire, cancel, renew or release`,
      );
  }
};

const waitingLine = (waiting: readonly { readonly owner: string }[] = []): string =>
  waiting.map(({ owner }) => owner).join(", ");

interface Deadlock {
  readonly at: string;
  readonly cycle: readonly { readonly owner: string; readonly lock: string }[];
}

/** Under the table; nothing where there was none. */
function deadlockLines(deadlocks: readonly Deadlock[] = []): string {
  const lines = deadlocks.map(({ at, cycle }) => {
    const ring = cycle.map(({ owner, lock: name }) => `${owner} waits for ${name}`).join(", ");
    return `\n${cleanLine(`Deadlock at ${at}, refused: ${ring}`)}`;
  });
  return lines.join("");
}

function heldLine({ name, owner, token, ttlMs }: Held): string {
  return cleanLine(`${owner} holds ${name}, token ${token}, for ${formatSeconds(ttlMs / 1_000)}`);
}

interface Held {
  readonly name: string;
  readonly owner: string;
  readonly token: number;
  readonly ttlMs: number;
}

/** `--token` is the access token of every command; this one is the fencing token. */
function fence(context: Context): number {
  const token = intOption(context.options, "fence", { min: 1, max: Number.MAX_SAFE_INTEGER });
  if (token !== undefined) return token;
  throw badUsage(context.name, context.spec, "--fence is missing");
}
