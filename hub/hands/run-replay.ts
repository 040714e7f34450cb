// What a replayed run is told in place of what the world would say: what it said then.

import type { Hub } from "../hub.ts";
import type { Effect } from "../workflow/engine-types.ts";
import type { RunOutbox } from "./run-outbox.ts";

type Replayed = Extract<Effect, { kind: "dispatch" | "child" | "ticket" }>;

/** `id`: the replay; `of`: the run whose recorded answers count. */
export function answerReplay(
  { rows }: Hub,
  outbox: RunOutbox,
  id: string,
  of: string,
  effect: Replayed,
): void {
  const { place } = effect;
  const then = recordedOf(rows, of, place);
  if (effect.kind === "ticket") {
    const votes = then !== undefined && "votes" in then ? then.votes : [];
    for (const { by, approve } of votes) outbox.push([id, "decided", place, by, approve]);
    if (votes.length === 0) outbox.push([id, "due", place, effect.dueMs]); // time decided then
    return;
  }
  const { attempt } = effect;
  if (then !== undefined && "output" in then)
    outbox.push([id, "done", place, attempt, then.output]);
  else if (then !== undefined && "fault" in then)
    outbox.push([id, "failed", place, attempt, then.fault, null]);
  else if (rows.hot("run").get(id)?.replayOf?.mode === "shadow")
    outbox.push([id, "done", place, attempt, null]);
  else {
    const fault = { code: "not_recorded", message: `${of} has no answer recorded for ${place}` };
    outbox.push([id, "failed", place, attempt, fault, null]);
  }
}

/** A run that began in the middle of another has no record of its own of what came before. */
function recordedOf(
  rows: Hub["rows"],
  run: string,
  place: string,
  hops = FORKS_MAX,
): ReturnType<typeof rows.get<"recorded">> {
  const found = rows.get("recorded", `${run}/${place}`);
  const origin = found === undefined && hops > 0 ? rows.get("run", run)?.forkOf?.run : undefined;
  return origin === undefined ? found : recordedOf(rows, origin, place, hops - 1);
}

/** Of a run that began in one that began in one ... beyond it, nothing is known. */
const FORKS_MAX = 16;
