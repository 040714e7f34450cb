import { expect, onTestFinished, test } from "vitest";
import { BREAKER, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { LinkEvent } from "./ports.ts";
import { makeWarmLinks, type WarmLink } from "./warm-links.ts";

/** A clock whose sleeps end only when `pass` is called. */
function handClock(): Clock & { readonly pass: (ms: number) => Promise<void> } {
  let nowMs = 0;
  const sleeping = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  return {
    ...systemClock,
    monotonic: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { untilMs: nowMs + ms, wake: resolve };
        sleeping.add(sleeper);
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      }),
    async pass(ms) {
      for (const endMs = nowMs + ms; nowMs < endMs;) {
        nowMs = Math.min(endMs, nowMs + 100);
        for (const sleeper of sleeping) {
          if (sleeper.untilMs <= nowMs && sleeping.delete(sleeper)) sleeper.wake();
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

const place = (id: string) => ({ id, address: `tcp://${id}`, publicKey: id });

function rig() {
  const clock = handClock();
  const scope = makeScope(() => {});
  onTestFinished(() => scope.close());
  const dials: Record<string, number> = { up: 0, cut: 0 };
  const tell = new Map<string, (event: LinkEvent) => void>();
  let served: WarmLink | undefined;
  const links = makeWarmLinks(
    {
      clock,
      random: () => 0.5,
      openLink({ id = "" }, onEvent) {
        dials[id] = (dials[id] ?? 0) + 1;
        tell.set(id, onEvent);
        return { send: () => "sent", greet() {}, close: async () => {} };
      },
      onEvent(from, event) {
        if (event.kind === "connected" && from.place.id === "up") served = from;
      },
    },
    scope,
  );
  const places = [place("up"), place("cut")];
  links.use(places);
  tell.get("up")?.({ kind: "connected" });
  return { clock, dials, links, places, tell, served: () => served };
}

/** Until a machine that does not answer has failed often enough. */
const OPENS_MS = BREAKER.failuresToOpen * TIMEOUT.leaseMs;

test("[D10] a hub that is unplugged is left alone while another one serves, and is linked after its return (WL3)", async () => {
  const { clock, dials, links, places, tell, served } = rig();
  links.use(places, served());
  await clock.pass(OPENS_MS + BREAKER.openMs - 1_000);
  const resting = dials["cut"] ?? 0;
  links.use(places, served()); // the hub in charge names the others again
  await clock.pass(500);
  expect(dials["cut"]).toBe(resting);
  await clock.pass(5_000);
  expect(dials["cut"]).toBe(resting + 1);
  tell.get("cut")?.({ kind: "connected" });
  expect(links.open().map((link) => link.place.id)).toEqual(["up", "cut"]);
});

test("[D10] whoever has no session tries every hub at once, left alone or not (WL3)", async () => {
  const { clock, dials, links, places, tell, served } = rig();
  links.use(places, served());
  await clock.pass(OPENS_MS + 1_000);
  const resting = dials["cut"] ?? 0;
  tell.get("up")?.({ kind: "lost", why: "its hub was stopped" });
  links.use(places);
  expect(dials["cut"]).toBe(resting + 1);
  await clock.pass(3 * OPENS_MS);
  expect(links.open()).toEqual([]);
  tell.get("cut")?.({ kind: "connected" }); // its dial went on all the time
  expect(links.open().map((link) => link.place.id)).toEqual(["cut"]);
});
