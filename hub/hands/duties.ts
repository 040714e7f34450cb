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
// D3. No job is given to a node that is left alone (shared/flow/targets.ts): one that takes jobs and
//     lets their time pass counts as one that does not answer.
// D4. What is due is judged by the time that is written into commands (registry/replicated-time.ts): by
//     its own clock, a leader behind the one before it would let jobs wait until it had caught up.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { type ErrorRecord, ERRORS, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RETRY, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type JobRow, type NodeRow } from "@gantry/shared/contract/rows.ts";
import type { Targets } from "@gantry/shared/flow/targets.ts";
import { act, type By, byHub, type Hub, propose } from "../hub.ts";
import { isNoticeDue } from "../ledger/domains/confirmations.ts";
import type { AgentLink, FeedItem } from "../ports.ts";
import type { Channel, Scheduler } from "../queues/scheduler.ts";
import { canMake, isCadNeed } from "./can-make.ts";
import type { LocalTime } from "./farm.ts";
import { makeOrders } from "./orders.ts";
import { makePrintDuties } from "./print-duties.ts";
import type { Queues } from "./queues.ts";

const SWEEP_MS = 1_000;
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
  readonly refused: (job: string) => void;
}

export function makeDuties(
  hub: Hub,
  link: () => AgentLink,
  targets: Targets,
  queues: Queues,
  localOf: LocalTime,
  signal: AbortSignal,
): Duties {
  const { rows, clock } = hub;
  const orders = makeOrders(clock, link);
  const prints = makePrintDuties(hub, link, orders, localOf, signal);
  let wakeUp = new AbortController();

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
    orders.tell(node, `job ${job} ${token}`, {
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
          await prints.sweep();
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
    refused: prints.refused,
  };
}

/** Conversations and flags owe nothing; all else may have made a duty or met one. */
const mayOwe = (item: FeedItem): boolean =>
  item.kind === "ledger" &&
  item.events.some(({ type }) => /^(print|job|device|node|farm)\./.test(type));

/** `needs` is `command:NAME`, `embed`, or of CAD_NEEDS. */
function canDo(node: NodeRow, needs: string): boolean {
  if (isCadNeed(needs)) return canMake(node.capabilities, needs);
  if (needs === "embed") return node.capabilities.embedder !== undefined;
  const name = needs.slice("command:".length);
  return node.capabilities.commands.some((command) => command.name === name);
}
