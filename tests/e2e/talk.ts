// Test equipment: questions that are cut off, and a print that is started by a word given in a talk.

import { expect } from "vitest";
import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import { type Appliance, until } from "../support/appliance.ts";
import {
  ask,
  clearBed,
  confirm,
  history,
  markedPart,
  PATIENCE_MS,
  print,
  startsOf,
  submit,
  untilEnded,
  watchEvents,
} from "./steps.ts";

/** Picks the events of this type that this conversation has caused. */
export const isOf =
  (type: string, conversation: string) =>
  (event: { readonly type: string; readonly data: unknown }): boolean =>
    event.type === type && (event.data as { conversation?: string }).conversation === conversation;

/** Waits through restarts of the hub too. */
export const untilClosed = (a: Appliance, conversation: string): Promise<MessageView[]> =>
  until(
    `the question of ${conversation} to be closed`,
    async () => {
      const messages = await history(a, conversation).catch(() => []);
      return messages.at(-1)?.role === "assistant" && messages;
    },
    PATIENCE_MS,
  );

const MARKER = "talked";
const TALK = "word";

/** The request that gives the word; said again, it is the same request. */
const SAYING = { "idempotency-key": "the-word" };

/** A print that waits for its word. */
export interface Offer {
  readonly job: string;
  readonly confirmation: string;
  readonly phrase: string;
}

/** Prints a part once, then asks in a talk for a second print of it. */
export async function askForAgain(a: Appliance): Promise<Offer> {
  const part = await submit(a, `${MARKER}.gcode`, markedPart(MARKER));
  await confirm(a, part.confirmation);
  await untilEnded(a, part.job);
  await clearBed(a);
  const { body } = await ask(a, `print ${MARKER}.gcode on sim`, { conversationId: TALK });
  const { id, phrase } = body.confirmation;
  return { job: body.job.id, confirmation: id, phrase };
}

/** Expects the offer to be on record as it was made; what will be done, in words. */
export async function expectOffered(a: Appliance, offer: Offer): Promise<string> {
  const { body } = await a.api("GET", `/api/confirmation/${TALK}`);
  expect(body).toMatchObject({ id: offer.confirmation, phrase: offer.phrase });
  return body.summary;
}

/** Gives the word and kills a hub once it is on record. Undefined: the connection died with it. */
export async function giveWord(
  a: Appliance,
  { phrase }: Offer,
  kill: () => Promise<unknown>,
): Promise<Awaited<ReturnType<Appliance["api"]>> | undefined> {
  using events = await watchEvents(a);
  const said = ask(a, phrase, { conversationId: TALK }, SAYING).catch(() => undefined);
  await events.until("the word", isOf("question.asked", TALK));
  await kill();
  return said;
}

/** The same request hears what became of the word, another is refused, and one print came of it. */
export async function expectUsedOnce(a: Appliance, offer: Offer, summary: string): Promise<void> {
  await untilClosed(a, TALK);
  const again = await ask(a, offer.phrase, { conversationId: TALK }, SAYING);
  expect(again).toMatchObject({
    status: 200,
    body: { result: { output: `Confirmed: ${summary}` } },
  });
  const twice = await ask(a, offer.phrase, { conversationId: TALK });
  expect(twice).toMatchObject({ status: 409, body: { code: "confirmation_used" } });
  expect(await untilEnded(a, offer.job)).toMatchObject({ state: "done", startedCount: 1 });
  expect((await print(a, offer.job)).startedCount).toBe(1);
  expect(startsOf(a, MARKER)).toBe(2); // this time, and the first time
}
