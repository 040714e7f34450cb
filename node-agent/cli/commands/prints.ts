// gantry prints, pause, resume, cancel: print jobs.

import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { badUsage, intOption, isOn } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { followPrint } from "../following.ts";
import { printPage, printsTable } from "../prints-view.ts";
import { cleanLine } from "../render/text.ts";

type Wish = "pause" | "resume" | "cancel";

export const prints: Command = async (context) => {
  const [first] = context.words;
  switch (first) {
    case undefined:
      return await list(context);
    case "pause":
    case "resume":
    case "cancel":
      return await wish(context, first, wordAt(context, 1, "The print's id"));
    case "resolve":
      return await resolve(context);
    default:
      return await one(context, first);
  }
};

export const pause: Command = (context) => wish(context, "pause", wordAt(context, 0, "The job"));
export const resume: Command = (context) => wish(context, "resume", wordAt(context, 0, "The job"));
export const cancel: Command = (context) => wish(context, "cancel", wordAt(context, 0, "The job"));

async function list(context: Context): Promise<void> {
  const limit = intOption(context.options, "limit", { min: 1, max: 500 });
  const page = await openClient(context).prints({ query: { limit }, signal: context.world.signal });
  show(context, page, (look) => printsTable(look, page.jobs));
}

async function one(context: Context, id: string): Promise<number | undefined> {
  const client = openClient(context);
  if (isOn(context.options, "follow")) return await followPrint(context, client, id);
  const view = await client.print({ id, signal: context.world.signal });
  show(context, view, (look) => printPage(look, view));
}

const VERBS = { pause: "printPaused", resume: "printResumed", cancel: "printCancelled" } as const;

async function wish(context: Context, verb: Wish, id: string): Promise<void> {
  const client = openClient(context);
  const view = await client[VERBS[verb]]({ id, signal: context.world.signal });
  show(context, view, () => said(view, `asked to ${verb}`));
}

async function resolve(context: Context): Promise<void> {
  const id = wordAt(context, 1, "The print's id");
  const outcome = wordAt(context, 2, "The outcome");
  if (outcome !== "done" && outcome !== "failed") {
    throw badUsage(context.name, context.spec, "The outcome is done or failed");
  }
  const client = openClient(context);
  const view = await client.printResolved({ id, body: { outcome }, signal: context.world.signal });
  show(context, view, () => said(view, `recorded as ${outcome}`));
}

const said = (view: PrintView, what: string): string =>
  cleanLine(`${view.name} on ${view.printer}: ${what}; it is ${view.state} now`);
