// gantry lock: exclusive rights with fencing tokens.

import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatSeconds } from "../render/units.ts";

const TTL_MAX_S = 86_400;

export const lock: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [verb = ""] = context.words;
  const key = (): string => wordAt(context, 1, "The name of the lock");
  switch (verb) {
    case "list": {
      const reply = await client.locks({ signal });
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "LOCK", value: (row) => row.name },
            { title: "OWNER", value: (row) => row.owner },
            { title: "BY", value: (row) => row.by },
            { title: "TOKEN", value: (row) => String(row.token), align: "right" },
            { title: "LIFE", value: (row) => formatSeconds(row.ttlMs / 1_000) },
            { title: "SINCE", value: (row) => row.acquiredAt },
          ],
          reply.locks,
          "Nobody holds a lock.",
        ),
      );
    }
    case "acquire": {
      const owner = textOption(context.options, "owner");
      const ttlS = intOption(context.options, "ttl", { min: 1, max: TTL_MAX_S });
      const body = {
        ...(owner === undefined ? {} : { owner }),
        ...(ttlS === undefined ? {} : { ttlMs: ttlS * 1_000 }),
      };
      const given = await client.lockAcquired({ key: key(), body, signal });
      return show(context, given, () => heldLine(given));
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
        `"${verb}" is not list, acquire, renew or release`,
      );
  }
};

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
