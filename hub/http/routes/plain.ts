// Most routes: validate, ask the desk, give its reply.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { ROUTES, type RouteName } from "@gantry/shared/contract/routes.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";

/** The door gives up a little after the hub itself does, so that the hub's reason is the one told. */
const MARGIN_MS = 5_000;

const DEADLINES_MS: Partial<Record<RouteName, number>> = {
  query: TIMEOUT.answerMs,
  translated: TIMEOUT.answerMs,
  chatCompletions: TIMEOUT.answerMs,
  transcribed: TIMEOUT.answerMs,
  spoken: TIMEOUT.answerMs,
  embeddings: TIMEOUT.answerMs,
  agentStarted: TIMEOUT.answerMs,
  toolCalled: TIMEOUT.answerMs,
  knowledgeAdded: TIMEOUT.answerMs, // every file is read
  knowledgeRefreshed: TIMEOUT.answerMs,
  exec: TIMEOUT.commandMs,
  cadGenerated: TIMEOUT.answerMs, // a model may have to read the words
  cadPrinted: TIMEOUT.fabricationCommandMs,
  runPatchProposed: TIMEOUT.answerMs,
  documentWritten: 4 * TIMEOUT.documentMs, // one for each format
  lockAcquired: TIMEOUT.lockWaitMs + TIMEOUT.proposeMs,
  confirm: TIMEOUT.fabricationCommandMs,
  stop: TIMEOUT.fabricationCommandMs,
  clusterExam: TIMEOUT.answerMs,
};

/** How long a route's desk call may take, ms. */
export const deadlineMsOf = (route: RouteName): number =>
  (DEADLINES_MS[route] ?? TIMEOUT.proposeMs) + MARGIN_MS;

export const plain =
  ({ desk, clock }: DoorDeps, route: RouteName): Handler =>
  async (c) => {
    const request = await readRequest(c, route);
    const reply = await within(clock, deadlineMsOf(route), c.req.raw.signal, (signal) =>
      desk.call(route, request, { signal }),
    );
    return jsonReply(reply, ROUTES[route].status);
  };

export const jsonReply = (value: unknown, status: number): Response =>
  new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json" },
  });
