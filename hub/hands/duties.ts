// Duties: what this hub owes the world, read off the ledger again and again, never remembered
// elsewhere. After a crash the same reading finds the same duties.
//
//   a ready print whose printer is free      -> lease it, tell the node
//   a leased print that no report has begun  -> tell the node again (the bridge knows a repeat)
//   a wish that no report has met            -> tell the node again
//   a ready job that a node can do           -> lease it, tell the node
//   a leased job whose node is gone          -> give the lease up
//   a confirmation that is due               -> notice or expiry
//
// D1. A lease is in the log before the node hears of it.
// D2. Telling twice is harmless: orders carry job and token, and the node keeps both.
// D3. No job is given to a node that is left alone (shared/flow/targets.ts): one that takes jobs and
//     lets their time pass counts as one that does not answer.
// D4. What is due is judged by the time that is written into commands (registry/replicated-time.ts): by
//     its own clock, a leader behind the one before it would let jobs wait until it had caught up.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { type ErrorRecord, ERRORS, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RETRY, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { type JobRow, type NodeRow, type PrintRow } from "@gantry/shared/contract/rows.ts";
import type { Targets } from "@gantry/shared/flow/targets.ts";
import { act, type By, byHub, type Hub, propose } from "../hub.ts";
import { isNoticeDue } from "../ledger/domains/confirmations.ts";
import { printWaitsFor } from "../ledger/domains/prints.ts";
import type { AgentLink, FeedItem } from "../ports.ts";
import type { Channel, Scheduler } from "../queues/scheduler.ts";
import type { Queues } from "./queues.ts";

const SWEEP_MS = 1_000;
const REPEAT_MS = 3_000; // how often an order that shows no effect is told again
const REFUSED_PAUSE_MS = 5_000; // before a printer that refused is tried again
const JOBS_PER_NODE = 4;

export interface Duties {
  /** Look now instead of at the next sweep. Changes of the ledger do this by themselves. */
  wake(): void;
  /** Sweeps until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  jobEnded(
    job: string,
    token: number,
    end: { result: unknown } | { error: ErrorRecord },
    by: By,
  ): Promise<void>;
  /** A node came back: what it holds goes on, what it does not hold any more is given up. */
  adopt(
    node: string,
    bootId: string,
    holds: readonly { job: string; token: number }[],
  ): Promise<void>;
  /** It said goodbye: what it holds is given up at once. */
  nodeLeft(node: string): Promise<void>;
  refused(job: string): void;
}

export function makeDuties(
  hub: Hub,
  link: () => AgentLink,
  targets: Targets,
  queues: Queues,
  signal: AbortSignal,
): Duties {
  const { rows, clock } = hub;
  const toldAtMs = new Map<string, number>(); // by order, monotonic
  const notBeforeMs = new Map<string, number>(); // by print job, monotonic
  let wakeUp = new AbortController();

  /** True at most once in REPEAT_MS for the same order. */
  function mayTell(order: string): boolean {
    const nowMs = clock.monotonic();
    if ((toldAtMs.get(order) ?? -Infinity) + REPEAT_MS > nowMs) return false;
    if (toldAtMs.size > 10_000) toldAtMs.clear();
    toldAtMs.set(order, nowMs);
    return true;
  }

  function tell(node: string, order: string, message: HubMessage): void {
    if (mayTell(order)) link().send(node, [message]);
  }

  /** One look per printer: the job that holds it is reminded, else its first ready job is leased. */
  async function sweepPrints(): Promise<void> {
    const taken = new Set<string>();
    for (const print of rows.hot("print").values()) {
      if (print.lease === undefined) continue;
      taken.add(print.printer);
      remindOfPrint(print);
    }
    for (const print of rows.hot("print").values()) {
      if (print.state !== "ready" || taken.has(print.printer)) continue;
      taken.add(print.printer);
      await leasePrint(print);
    }
  }

  async function leasePrint(print: PrintRow): Promise<void> {
    const device = rows.get("device", print.printer);
    if (device === undefined || printWaitsFor(rows, print, device) !== undefined) return;
    if ((notBeforeMs.get(print.id) ?? 0) > clock.monotonic()) return;
    const node = rows.get("node", device.node);
    if (node?.state !== "alive" || !link().heard().has(node.id)) return;
    const phase = hub.soft.printer(device.id)?.phase ?? device.printer.phase;
    if (phase !== "idle") return;
    await propose(
      hub,
      { type: "printLeased", job: print.id, node: node.id, bootId: node.bootId },
      byHub(hub),
      signal,
    ); // D1
    const leased = rows.get("print", print.id);
    if (leased !== undefined) remindOfPrint(leased);
  }

  function remindOfPrint({
    id: job,
    printer,
    lease,
    gcode,
    startedCount,
    state,
    wish,
  }: PrintRow): void {
    if (lease === undefined || state === "unknown") return;
    const { node, token } = lease;
    if (startedCount === 0) {
      const { sha256, sizeBytes } = gcode;
      tell(node, `print ${job} ${token}`, {
        type: "print",
        printer,
        job,
        token,
        sha256,
        sizeBytes,
      });
    }
    if (wish !== undefined) {
      tell(node, `${wish} ${job} ${token}`, { type: "printWish", printer, job, token, wish });
    }
  }

  /** Off the index of the queues: what waits is not looked at, however much it is. */
  async function sweepJobs(): Promise<void> {
    const { scheduler } = queues;
    if (scheduler === undefined) return;
    for (const { id, needs } of Array.from(scheduler.leased())) {
      const job = needs === "" ? undefined : rows.get("job", id);
      if (job?.state === "leased") await watchJob(job);
    }
    scheduler.advance(hub.stampMs()); // D4
    for (const channel of queues.nodeChannels()) await dealOut(scheduler, channel);
  }

  async function dealOut(scheduler: Scheduler, { queue, needs }: Channel): Promise<void> {
    for (;;) {
      const node = nodeFor(needs, scheduler);
      if (node === undefined) return;
      const nowMs = hub.stampMs();
      const asked = { queue, needs, max: 1, worker: node.id, token: queues.token(), nowMs };
      const { items, isMore } = scheduler.take({ ...asked, endsAtMs: () => Infinity });
      const [item] = items;
      if (item !== undefined) await leaseJob(scheduler, item.id, node);
      else if (!isMore) return;
    }
  }

  async function leaseJob(scheduler: Scheduler, job: string, node: NodeRow): Promise<void> {
    targets.admit(node.id);
    const body = { type: "jobLeased" as const, job, node: node.id, bootId: node.bootId };
    const reply = await propose(hub, body, byHub(hub), signal).catch((error: unknown) => {
      scheduler.release(job, hub.stampMs());
      throw error;
    }); // D1
    const leased = rows.get("job", job);
    if (reply.ok && leased?.lease !== undefined) tellJob(leased);
    else scheduler.release(job, hub.stampMs(), hub.stampMs() + SWEEP_MS);
  }

  function nodeFor(needs: string, scheduler: Scheduler): NodeRow | undefined {
    const heard = link().heard();
    const held = ({ id }: NodeRow): number => scheduler.leasedBy(id).size;
    const able = [...rows.hot("node").values()].filter(
      (node) =>
        node.state === "alive" &&
        heard.has(node.id) &&
        !targets.isLeftAlone(node.id) && // D3
        canDo(node, needs) &&
        held(node) < JOBS_PER_NODE,
    );
    return able.toSorted((a, b) => held(a) - held(b))[0];
  }

  async function watchJob(job: JobRow): Promise<void> {
    const { lease } = job;
    if (lease === undefined) return;
    const node = rows.get("node", lease.node);
    const isGone =
      node === undefined ||
      node.state === "down" ||
      node.state === "removed" ||
      node.bootId !== lease.bootId;
    if (isGone) await giveUp(job, lease.token);
    else if (lease.atMs + job.timeoutMs + TIMEOUT.stopMs < hub.stampMs()) {
      targets.failed(lease.node); // D3
      await giveUp(job, lease.token);
    } else tellJob(job);
  }

  function tellJob({ id: job, kind, input, timeoutMs, lease }: JobRow): void {
    if (lease === undefined || kind === "work") return;
    const { node, token } = lease;
    tell(node, `job ${job} ${token}`, {
      type: "job",
      job,
      token,
      kind,
      input: { ...input },
      timeoutMs,
    });
  }

  async function giveUp(job: JobRow, token: number): Promise<void> {
    const retryAtMs = hub.stampMs() + backoffMs(RETRY.nodeHop.backoff, job.attempts, hub.random);
    await propose(hub, { type: "jobLeaseLost", job: job.id, token, retryAtMs }, byHub(hub), signal);
  }

  async function sweepConfirmations(): Promise<void> {
    const nowMs = hub.stampMs(); // D4
    const isDue = [...rows.hot("confirmation").values()].some(
      (row) => row.expiresAtMs <= nowMs || isNoticeDue(row, nowMs),
    );
    if (isDue) await act(hub, { type: "confirmationsTicked" }, byHub(hub), signal);
  }

  async function nodeLeft(id: string): Promise<void> {
    const node = rows.get("node", id);
    if (node?.state !== "alive" || link().heard().has(id)) return;
    await propose(
      hub,
      { type: "nodeStateChanged", node: id, bootId: node.bootId, state: "down" },
      byHub(hub),
      signal,
    );
    hub.soft.forget(node.capabilities.printers.map((printer) => printer.id));
  }

  function wake(): void {
    wakeUp.abort();
  }

  return {
    wake,
    async run(stop) {
      hub.feed.watch((items) => (items.some(mayOwe) ? wake() : undefined), stop);
      while (!stop.aborted) {
        try {
          await sweepConfirmations();
          await sweepPrints();
          await sweepJobs();
        } catch (error) {
          if (!stop.aborted)
            hub.log.warn(
              { error: toErrorRecord(error) },
              "a sweep of the duties failed; it is repeated",
            );
        }
        await clock.sleep(SWEEP_MS, AbortSignal.any([stop, wakeUp.signal])).catch(() => {}); // woken
        if (wakeUp.signal.aborted) wakeUp = new AbortController();
      }
    },
    async jobEnded(job, token, end, by) {
      const row = rows.get("job", job);
      if (row?.lease?.token === token) targets.answered(row.lease.node);
      if ("result" in end) {
        await propose(hub, { type: "jobFinished", job, token, result: end.result }, by, signal);
      } else {
        const mayRetry = row !== undefined && row.effect !== "once" && ERRORS[end.error.code].retry;
        const retryAtMs =
          hub.stampMs() + backoffMs(RETRY.nodeHop.backoff, row?.attempts ?? 1, hub.random);
        await propose(
          hub,
          { type: "jobFailed", job, token, error: end.error, ...(mayRetry ? { retryAtMs } : {}) },
          by,
          signal,
        );
      }
    },
    async adopt(node, bootId, holds) {
      const held = new Set(holds.map(({ job, token }) => `${job} ${token}`));
      for (const { id } of Array.from(queues.scheduler?.leasedBy(node) ?? [])) {
        const job = rows.get("job", id);
        const lease = job?.lease;
        if (lease?.node !== node || job?.state !== "leased" || lease.bootId === bootId) continue;
        if (!held.has(`${job.id} ${lease.token}`)) await giveUp(job, lease.token);
      }
    },
    nodeLeft,
    refused(job) {
      notBeforeMs.set(job, clock.monotonic() + REFUSED_PAUSE_MS);
      for (const order of toldAtMs.keys()) if (order.includes(job)) toldAtMs.delete(order);
    },
  };
}

/** Conversations and flags owe nothing; all else may have made a duty or met one. */
const mayOwe = (item: FeedItem): boolean =>
  item.kind === "ledger" && item.events.some(({ type }) => /^(print|job|device|node)\./.test(type));

/** `needs` is `command:NAME` or `embed`. */
function canDo(node: NodeRow, needs: string): boolean {
  if (needs === "embed") return node.capabilities.embedder !== undefined;
  const name = needs.slice("command:".length);
  return node.capabilities.commands.some((command) => command.name === name);
}
