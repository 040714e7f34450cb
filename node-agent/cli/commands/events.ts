// gantry events: the live feed, one line per event.

import type { FeedEvent } from "@gantry/shared/client/watch.ts";
import { intOption, textOption } from "../args.ts";
import { type Command, outLook, showLine } from "../context.ts";
import { openClient } from "../opening.ts";
import { type Look, paint } from "../render/look.ts";
import { cleanLine } from "../render/text.ts";

export const events: Command = async (context) => {
  const { world, options, isJson } = context;
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const since = intOption(options, "since", range);
  const countMax = intOption(options, "count", range) ?? Number.POSITIVE_INFINITY;
  const types = textOption(options, "types")
    ?.split(",")
    .map((type) => type.trim());
  const look = outLook(context);
  const feed = openClient(context).events({
    ...(since === undefined ? {} : { since }),
    ...(types === undefined ? {} : { types }),
    signal: world.signal,
    onState: (state, error) => {
      if (state === "broken")
        world.stderr.write(`${cleanLine(error?.message ?? "")}; trying again\n`);
    },
  });
  let count = 0;
  for await (const event of feed) {
    if (isJson) showLine(context, event);
    else world.stdout.write(`${render(look, event)}\n`);
    count += 1;
    if (count >= countMax) return;
  }
};

const render = (look: Look, { id, type, data }: FeedEvent): string =>
  [
    paint(look, "dim", String(id ?? "-").padStart(8)),
    paint(look, "bold", cleanLine(type)),
    cleanLine(JSON.stringify(data) ?? ""),
  ].join("  ");
