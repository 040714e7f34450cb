// gantry queues: named queues, and the dead work in them.

import type { QueueView } from "@gantry/shared/contract/schemas/queues.ts";
import { type Command, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";

export const queues: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [first] = context.words;
  const queue = (): string => wordAt(context, 1, "The queue's name");
  const isPreview = context.options["preview"] === true;
  switch (first) {
    case undefined: {
      const page = await client.queues({ signal });
      return show(context, page, (look) => table(look, page.queues));
    }
    case "pause": {
      const view = await client.queuePaused({ queue: queue(), body: {}, signal });
      return show(context, view, () => `${cleanLine(view.name)} starts nothing more`);
    }
    case "resume": {
      const view = await client.queueResumed({ queue: queue(), body: {}, signal });
      return show(context, view, () => `${cleanLine(view.name)} goes on`);
    }
    case "requeue":
    case "drop": {
      const body = { wish: first, queue: queue(), preview: isPreview } as const;
      const done = await client.deadDirected({ body, signal });
      const what = first === "drop" ? "dropped" : "tried again";
      return show(context, done, () => `${done.count} ${isPreview ? "would be" : "are"} ${what}`);
    }
    default: {
      const view = await client.queue({ queue: first, signal });
      return show(context, view, (look) => facts(look, view));
    }
  }
};

const stateOf = ({ isPaused, pausedUntil }: QueueView): string =>
  isPaused ? "paused" : pausedUntil === undefined ? "open" : `paused until ${pausedUntil}`;

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const facts = (look: Look, view: QueueView): string =>
  renderFacts(look, [
    ["queue", view.name],
    ["state", stateOf(view)],
    ["ready", String(view.ready)],
    ["behind", seconds(view.lagMs)],
    [
      "held back",
      `${view.parked} by limits, ${view.delayed} for a time, ${view.waiting} otherwise`,
    ],
    ["at work", String(view.leased)],
    ["dead", String(view.dead)],
    ["policy", JSON.stringify(view.policy)],
  ]);

const table = (look: Look, rows: readonly QueueView[]): string =>
  renderTable(
    look,
    [
      { title: "QUEUE", value: (row) => row.name },
      { title: "STATE", value: stateOf },
      { title: "READY", value: (row) => String(row.ready), align: "right" },
      { title: "BEHIND", value: (row) => seconds(row.lagMs), align: "right" },
      { title: "AT WORK", value: (row) => String(row.leased), align: "right" },
      { title: "DEAD", value: (row) => String(row.dead), align: "right" },
    ],
    rows,
    "There is no queue.",
  );
