// Gets a person's word for a pending confirmation: from --yes, or from the keyboard.
//
// CO1. The phrase goes to the hub exactly as it was typed; only the hub decides whether it fits.
// CO2. Nothing is confirmed without a phrase that a person gave for this very confirmation.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import { textOption } from "./args.ts";
import { type Context, outLook } from "./context.ts";
import { paint } from "./render/look.ts";
import { cleanLine } from "./render/text.ts";

const TRIES_MAX = 3;

/** True once the hub has taken the word; false when it goes on waiting. */
export async function settleConfirmation(
  context: Context,
  client: Client,
  view: ConfirmationView,
): Promise<boolean> {
  const { world, options, isJson } = context;
  const given = textOption(options, "yes");
  if (given !== undefined) return await giveWord(context, client, view.id, given);
  if (isJson || !world.stdin.isTty || !world.stdout.isTty) return false;
  const lines = await world.openLines();
  try {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const phrase = await lines.ask("Phrase, or Enter to let it wait: ", world.signal);
      if (phrase === undefined || phrase.trim() === "") break;
      if (await tryWord(context, client, view.id, phrase)) return true;
    }
  } finally {
    lines.close();
  }
  world.stderr.write(`It waits: gantry confirm ${view.id} ${cleanLine(view.phrase)}\n`);
  return false;
}

/** Gives the word and says so. Throws phrase_mismatch, confirmation_expired, wrong_person, ... */
export async function giveWord(
  context: Context,
  client: Client,
  id: string,
  phrase: string,
): Promise<true> {
  const { world, isJson } = context;
  const { job } = await client.confirm({ id, body: { phrase }, signal: world.signal });
  if (!isJson) {
    const done = paint(outLook(context), "green", "Confirmed");
    world.stdout.write(`${done}: job ${cleanLine(job.id)} is ${cleanLine(job.state)}\n`);
  }
  return true;
}

/** A mistyped phrase is said and may be typed again; anything else is thrown. */
async function tryWord(
  context: Context,
  client: Client,
  id: string,
  phrase: string,
): Promise<boolean> {
  try {
    return await giveWord(context, client, id, phrase);
  } catch (error) {
    if (!(error instanceof GantryError) || error.code !== "phrase_mismatch") throw error;
    context.world.stderr.write(`${cleanLine(error.message)}\n`);
    return false;
  }
}
