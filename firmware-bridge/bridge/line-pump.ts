// Moves lines of the job to the link and events of the printer to the job; sees faults of both.
//
// LP1. A printer that waits for a person (M600, a runout) is paused for everybody: told so once, with
//      what it asks; the order to resume is the answer.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { EndPhase, JobRow } from "../ports.ts";
import type { Link, LinkFault } from "../protocols/link.ts";
import type { MarlinEvent, Reading } from "../protocols/marlin-codec.ts";
import { goOnCommand, promptAfter, promptText } from "../protocols/host-prompt.ts";
import { type ActiveJob, slicerLeftOf, targetOf } from "./active-job.ts";
import { activeIn, type DriverContext, type Online, onlineIn } from "./driver-state.ts";
import { HEATERS_OFF } from "./handshake.ts";
import type { JobEnd } from "./job-end.ts";

export interface LinePump {
  /** Writes what may be written now. */
  pump(online: Online): void;
  receive(event: MarlinEvent): void;
  /** LP1. True if there was somebody to answer. */
  goOn(online: Online): boolean;
  /** To be called every 20 ms or so while the cable is online. */
  tick(online: Online): void;
}

const IDLE_ASK_MS = 10_000;
const POLL_MS = 1_000;

export function makeLinePump(context: DriverContext, jobEnd: JobEnd): LinePump {
  const { spec, ports, state } = context;
  const { clock } = ports;
  let askedAtMs = clock.monotonic();
  let polledAtMs = 0;

  function pump(online: Online): void {
    const active = activeIn(state);
    if (active !== undefined && !active.isEnding) feed(active, online, clock.monotonic());
    const wire = online.link.takeOutput();
    if (wire !== "") online.cable.write(wire);
    const fault = online.link.fault();
    if (fault !== undefined && state.cable === online) onLinkFault(fault, online);
  }

  function feed(job: ActiveJob, online: Online, nowMs: number): void {
    const { link } = online;
    sendLines(job, online, nowMs);
    if (job.isEnding) return;
    watchAnsweredTargets(job, link, nowMs);
    const change = job.run.takeChange();
    if (change !== undefined) ports.onJob(rowOf(job, link), change);
    job.refill(() => {
      const online = onlineIn(state);
      if (online !== undefined) pump(online);
    });
  }

  function sendLines(job: ActiveJob, { link, identity }: Online, nowMs: number): void {
    const polls = !identity.caps.has("AUTOREPORT_TEMP");
    while (link.hasRoom()) {
      if (polls && nowMs - polledAtMs > POLL_MS) {
        polledAtMs = nowMs;
        link.send("M105", 0, nowMs);
        continue;
      }
      const next = job.run.next(link.isSettled());
      if (next.kind === "over") return jobEnd.end(job, endOf(job, next.end), job.failure);
      if (next.kind === "settle") return link.settle(nowMs);
      if (next.kind === "wait") return;
      const number = link.send(next.text, job.tagBase + next.tag, nowMs);
      job.slicerLeftS = slicerLeftOf(next.text) ?? job.slicerLeftS;
      const target = targetOf(next.text);
      if (target !== undefined) job.targets.push({ number, ...target });
    }
  }

  const rowOf = (job: ActiveJob, link: Link): JobRow => ({
    printer: spec.id,
    job: job.job,
    token: job.token,
    phase: "started",
    progress: job.progress(link.ackedTag()),
    startedCount: 1,
    isAcknowledged: false,
  });

  function onLinkFault(fault: LinkFault, { cable }: Online): void {
    const error = linkError(fault);
    const isDead = fault.kind === "fatal";
    if (!isDead) cable.write(HEATERS_OFF);
    state.signs.isSilent = fault.kind === "silent";
    if (activeIn(state) !== undefined || isDead) {
      jobEnd.goDown(error, false, isDead ? "failed" : "interrupted");
    } else {
      state.cable = { kind: "offline", why: error.message };
    }
  }

  function observe(seen: Reading, nowMs: number): void {
    state.reading = { ...state.reading, ...seen };
    activeIn(state)?.run.observe(seen);
    activeIn(state)?.watch.observe(seen, nowMs);
  }

  /** LP1 */
  function waitForPerson(isWaiting: boolean): void {
    const { signs } = state;
    if (signs.isWaitingForPerson === isWaiting) return;
    signs.isWaitingForPerson = isWaiting;
    const [active, online] = [activeIn(state), onlineIn(state)];
    if (!isWaiting) signs.prompt = undefined;
    if (active === undefined || active.isEnding || online === undefined) return;
    const why = signs.prompt === undefined ? "" : promptText(signs.prompt);
    if (isWaiting) ports.log.info({ job: active.job, why }, "the printer waits for a person");
    if (active.run.phase() === "printing") {
      ports.onJob(rowOf(active, online.link), isWaiting ? "paused" : "resumed");
    }
    context.tell();
  }

  /** The printer's own buttons and sensors, such as a filament that ran out. */
  function onAction(action: string): void {
    state.signs.prompt = promptAfter(state.signs.prompt, action);
    if (action.startsWith("pause")) activeIn(state)?.run.pause();
    else if (action === "cancel") activeIn(state)?.run.cancel();
  }

  return {
    pump,
    receive(event) {
      const nowMs = clock.monotonic();
      if (event.kind === "reading") observe(event.reading, nowMs);
      else if (event.kind === "ok" && event.reading !== undefined) observe(event.reading, nowMs);
      else if (event.kind === "position") activeIn(state)?.run.locate(event.position);
      else if (event.kind === "action") onAction(event.action);
      else if (event.kind === "busy") {
        // Without a job, or with another line under way, it is noise: the link answers that itself.
        waitForPerson(
          event.why.startsWith("paused") && onlineIn(state)?.link.needsPerson() === true,
        );
      } else if (event.kind === "fatal") state.signs.wasKilled = true;
      const online = onlineIn(state);
      online?.link.receive(event, nowMs);
      if (event.kind === "ok" && online?.link.needsPerson() === false) waitForPerson(false);
    },
    goOn(online) {
      if (!state.signs.isWaitingForPerson) return false;
      online.cable.write(`\n${goOnCommand(state.signs.prompt)}\n`);
      return true;
    },
    tick(online) {
      const nowMs = clock.monotonic();
      online.link.tick(nowMs);
      const active = activeIn(state);
      const why = active?.isEnding === false ? active.watch.fault(nowMs) : undefined;
      if (why !== undefined) active?.fail({ code: "device_fault", message: why });
      if (active === undefined && nowMs - askedAtMs > IDLE_ASK_MS && online.link.hasRoom()) {
        askedAtMs = nowMs;
        online.link.send("M105", -1, nowMs); // is it still there?
      }
      pump(online);
      context.tell();
    },
  };
}

/** A target counts from the moment its line is answered. */
function watchAnsweredTargets(job: ActiveJob, link: Link, nowMs: number): void {
  while (job.targets[0] !== undefined && job.targets[0].number <= link.ackedNumber()) {
    const { heater, targetC } = job.targets[0];
    job.targets.shift();
    job.watch.expect(heater, targetC, nowMs);
  }
}

function endOf(job: ActiveJob, end: "done" | "cancelled"): EndPhase {
  if (job.failure === undefined) return end;
  return job.failure.code === "interrupted" ? "interrupted" : "failed";
}

function linkError(fault: LinkFault): ErrorRecord {
  switch (fault.kind) {
    case "restarted":
      return { code: "interrupted", message: "The printer restarted by itself while it printed" };
    case "silent":
      return { code: "device_offline", message: "The printer stopped answering" };
    case "resends":
      return {
        code: "device_fault",
        message: `The printer refuses line ${fault.line} again and again`,
      };
    case "fatal":
      return { code: "device_fault", message: `The printer stopped itself: ${fault.text}` };
  }
}
