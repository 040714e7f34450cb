// One life of a cable: opened, greeted, ticked until it is lost or the printer is down.
//
// SE1. A printer that may be hot is told to switch its heaters off before anything is awaited of it.
// SE2. A firmware that is silent, or does not say that M112 killed it, gets its reset line pulled.
// SE3. A printer that answers nothing that can be read may have another speed: the next try has the
//      next one. A speed that worked is kept.

import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { type Mailbox, makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import type { Cable, CableEvents } from "../ports.ts";
import { baudOfTry } from "../protocols/baud.ts";
import { LINK_POLICY, makeLink } from "../protocols/link.ts";
import { makeMarlinDecoder, type MarlinEvent } from "../protocols/marlin-codec.ts";
import {
  activeIn,
  type DriverContext,
  isDown,
  isStopped,
  noSigns,
  type Online,
  onlineIn,
} from "./driver-state.ts";
import { shakeHands } from "./handshake.ts";
import type { JobEnd } from "./job-end.ts";
import type { LinePump } from "./line-pump.ts";

/** Resolves when the session is over; rejects with unreachable, port_busy or device_fault. */
export type Session = (signal: AbortSignal) => Promise<void>;

const TICK_MS = 20;
const SLOW_MS = 100;
const KILL_MS = 500;
const GREETING_EVENTS_MAX = 1_024;

const isDeaf = (error: unknown): boolean =>
  error instanceof GantryError && error.code === "unreachable";

export function makeSession(
  context: DriverContext,
  jobEnd: JobEnd,
  pump: LinePump,
  onKnown: () => Promise<void>,
): Session {
  const { spec, ports, state } = context;
  const { clock, log } = ports;

  return async (signal) => {
    const greeting = makeMailbox<MarlinEvent>(GREETING_EVENTS_MAX);
    let closed: string | undefined;
    const whyClosed = (): string | undefined => closed;
    state.cable = { kind: "opening" };
    state.signs = noSigns();
    context.tell();
    const events = eventsInto(greeting, (why) => (closed = why));
    const cable = await ports.openCable(events, signal, state.baud);
    try {
      state.cable = { kind: "opening", cable };
      const online = await greet(cable, greeting, signal).catch((error: unknown) => {
        if (isDeaf(error) && whyClosed() === undefined) tryNextBaud(); // SE3
        throw error;
      });
      if (online === undefined) return; // stopped while it was opening
      state.cable = online;
      await onKnown();
      context.tell();
      const isOurs = (): boolean => state.cable === online;
      while (isOurs() && whyClosed() === undefined) {
        await clock.sleep(TICK_MS, signal);
        if (isOurs()) pump.tick(online);
      }
      if (isOurs()) onUnplugged(whyClosed() ?? "closed");
      await lastResort(cable, signal);
    } finally {
      await cable.close();
    }
  };

  function eventsInto(
    greeting: Mailbox<MarlinEvent>,
    onClosed: (why: string) => void,
  ): CableEvents {
    const decoder = makeMarlinDecoder();
    return {
      onBytes(bytes) {
        for (const event of decoder.push(bytes)) {
          pump.receive(event);
          if (state.cable.kind === "opening") greeting.offer(event); // full: noise; asked again
        }
        const online = onlineIn(state);
        if (online !== undefined) pump.pump(online);
      },
      onClosed(why) {
        onClosed(why);
        greeting.close();
      },
    };
  }

  /** Undefined if the printer went down meanwhile. */
  async function greet(
    cable: Cable,
    greeting: Mailbox<MarlinEvent>,
    signal: AbortSignal,
  ): Promise<Online | undefined> {
    const identity = await shakeHands(
      {
        write: (text) => cable.write(text),
        next: (ms) => nextEvent(greeting, ms, signal),
        mayBeHot: state.mayBeHot, // SE1
      },
      clock,
    );
    state.mayBeHot = false;
    if (isDown(state)) return undefined;
    state.identity = identity;
    if (state.baud !== spec.baud) {
      log.warn({ baud: state.baud, configured: spec.baud }, "the printer has another speed");
    }
    const policy = { ...LINK_POLICY, wireBytesPerMs: state.baud / 10_000 };
    if (identity.answerMs > SLOW_MS) log.warn({ answerMs: identity.answerMs }, "slow answers");
    return { kind: "online", cable, link: makeLink(policy), identity };
  }

  function tryNextBaud(): void {
    state.baudTries += 1;
    state.baud = baudOfTry(spec.baud, state.baudTries);
    log.info({ baud: state.baud }, "no answer; trying another speed");
  }

  async function nextEvent(
    greeting: Mailbox<MarlinEvent>,
    ms: number,
    signal: AbortSignal,
  ): Promise<MarlinEvent | undefined> {
    try {
      const event = await greeting.take(clock.timeout(ms, signal));
      if (event === undefined) throw new GantryError("unreachable", "The cable was closed");
      return event;
    } catch (error) {
      if (error instanceof GantryError && error.code === "timeout") return undefined;
      throw error;
    }
  }

  function onUnplugged(why: string): void {
    const error: ErrorRecord = {
      code: "device_offline",
      message: `The cable was lost (${why}); whether the heaters are on is not known`,
    };
    const active = activeIn(state);
    if (active !== undefined) jobEnd.end(active, "interrupted", error);
    state.cable = { kind: "offline", why };
    context.tell();
  }

  /** SE2 */
  async function lastResort(cable: Cable, signal: AbortSignal): Promise<void> {
    const { signs } = state;
    if (!isDown(state) || !(signs.isSilent || isStopped(state))) return;
    const untilMs = clock.monotonic() + (signs.isSilent ? 0 : KILL_MS);
    const isKilled = (): boolean => signs.wasKilled;
    while (!isKilled() && clock.monotonic() < untilMs) await clock.sleep(TICK_MS, signal);
    if (isKilled()) return;
    log.warn({}, "no answer; resetting the board");
    await cable.pulseReset();
  }
}
