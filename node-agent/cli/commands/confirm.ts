// gantry confirm, confirmations: giving the word from anywhere.

import { type Command, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderConfirmation } from "../render/box.ts";
import { cleanLine } from "../render/text.ts";

export const confirm: Command = async (context) => {
  const id = wordAt(context, 0, "The id");
  const phrase = context.words.slice(1).join(" ");
  const client = openClient(context);
  const reply = await client.confirm({ id, body: { phrase }, signal: context.world.signal });
  show(context, reply, () => cleanLine(`Confirmed: job ${reply.job.id} is ${reply.job.state}`));
};

export const confirmations: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  if (context.words[0] === "withdraw") {
    const id = wordAt(context, 1, "The id");
    const reply = await client.confirmationCancelled({ id, signal });
    show(context, reply, () => `${cleanLine(id)} is withdrawn`);
    return;
  }
  const reply = await client.confirmations({ signal });
  show(context, reply, (look) => {
    const boxes = reply.confirmations.map((view) => renderConfirmation(look, view));
    return boxes.length === 0 ? "Nothing waits for a word." : boxes.join("\n");
  });
};
