// gantry logs stream: what happens in a run, until it ends.

import { badUsage, textOption } from "../args.ts";
import { type Command, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { exitOfRun, followRun } from "../run-follow.ts";

export const logs: Command = async (context) => {
  if (context.words[0] !== "stream")
    throw badUsage(context.name, context.spec, `There is no "logs ${context.words[0]}"`);
  const id = wordAt(context, 1, "The run's id");
  const view = await followRun(
    context,
    openClient(context),
    id,
    textOption(context.options, "node"),
  );
  return view === undefined ? undefined : exitOfRun(view);
};
