// What /metrics and /readyz show of a running hub.

import type { ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import type { OpenAgentLink } from "../adapters/agent-link.ts";
import { removed } from "../cluster/removed.ts";
import type { HealthBoard } from "../health.ts";
import { lagOf } from "../desk/library.ts";
import type { Hub } from "../hub.ts";
import { isSwitchedOff } from "../ledger/domains/schedule-budget.ts";
import { exposeGauges } from "../metrics.ts";
import { LIBRARY_BATCH } from "../workflow/patches/library-patches.ts";
import type { HubCore } from "./core.ts";

export interface LedgerFacts {
  /** This hub's desk serves: its reign is under way. */
  readonly isServing: () => boolean;
  /** How the ledger differs from the leader's. */
  readonly disagreement: () => string | undefined;
}

export function watchParts(
  { hub, pulse, members, network }: HubCore,
  board: HealthBoard,
  link: () => OpenAgentLink,
  ledger: LedgerFacts,
): void {
  const alive = (): number =>
    [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive").length;
  const connected = (): number =>
    [...(network.current?.links().values() ?? [])].filter(({ isConnected }) => isConnected).length;
  board.watch("nodes", () => ({ state: "ready", note: `${alive()} alive` }));
  board.watch("hubs", () => {
    const others = members.others().length;
    if (others === 0) return { state: "ready", note: "alone" };
    const note = `${connected()} of ${others} others in touch`;
    return { state: connected() < others ? "degraded" : "ready", note };
  });
  board.watch("schedules", () => ({ state: "ready", note: scheduleNote(hub) }));
  board.watch("library", () => libraryState(hub));
  board.watch("log", () => {
    if (members.isRemoved) return { state: "degraded", note: removed(hub.id).message };
    const note = ledger.disagreement();
    return note === undefined ? logState(hub, ledger.isServing()) : { state: "degraded", note };
  });
  const raft = () => hub.replica.status();
  exposeGauges(hub.metrics, {
    gauges: {
      gantry_raft_term: { help: "Term of the log", read: () => raft().term },
      gantry_raft_leader: {
        help: "1 while this hub leads",
        read: () => (raft().role === "leader" ? 1 : 0),
      },
      gantry_raft_applied_index: {
        help: "Last log entry applied",
        read: () => raft().appliedIndex,
      },
      gantry_raft_commit_index: {
        help: "Last log entry known to be committed",
        read: () => raft().commitIndex,
      },
      gantry_raft_voters: {
        help: "Hubs that vote",
        read: () => raft().membership.voters.length,
      },
      gantry_raft_sync_p99_seconds: {
        help: "Synced writes of the log, 99th percentile of the last 512",
        read: () => pulse.facts().syncP99Ms / 1_000,
      },
      gantry_hubs_connected: { help: "Other hubs in touch", read: connected },
      gantry_nodes_alive: { help: "Node agents that are alive", read: alive },
      gantry_agent_sessions: {
        help: "Open sessions of node agents",
        read: () => link().heard().size,
      },
      gantry_frames_refused: {
        help: "Frames of node agents that were refused",
        read: () => link().counts().framesRefused,
      },
      gantry_zap_denied: {
        help: "Handshakes that were denied",
        read: () => link().counts().handshakesDenied,
      },
      gantry_prints_open: {
        help: "Print jobs that have not ended",
        read: () => hub.rows.hot("print").size,
      },
      gantry_jobs_open: {
        help: "Queued jobs that have not ended",
        read: () => hub.rows.hot("job").size,
      },
      gantry_library_patches_waiting: {
        help: "Patches of workflows that are in no version yet",
        read: () => libraryLag(hub).waiting,
      },
      gantry_library_lag_seconds: {
        help: "Age of the oldest of them; 0: none waits",
        read: () => libraryLag(hub).lagMs / 1_000,
      },
      gantry_schedules_active: {
        help: "Schedules that have a next time",
        read: () => activeSchedules(hub).length,
      },
      gantry_job_last_run_seconds: {
        help: "When a schedule was last fired, seconds since 1970; 0: never",
        read: () => lastRunMs(hub) / 1_000,
      },
      gantry_confirmations_pending: {
        help: "Confirmations that wait",
        read: () => hub.rows.hot("confirmation").size,
      },
      gantry_ledger_dirty_rows: {
        help: "Rows that wait for the checkpoint",
        read: () => hub.rows.dirtyCount,
      },
      gantry_event_loop_lag_p99_seconds: {
        help: "Lag of the main thread since the last scrape",
        read: () => pulse.scrapeLagS(),
      },
    },
  });
}

const libraryLag = (hub: Hub): ReturnType<typeof lagOf> =>
  lagOf([...hub.rows.hot("libraryHead").values()], hub.stampMs());

/** The alert: nothing waits longer than its batch but where no hub makes versions. */
function libraryState(hub: Hub): { state: "ready" | "degraded"; note: string } {
  const { waiting, lagMs } = libraryLag(hub);
  const note = waiting === 0 ? "no patch waits" : `${waiting} patches wait, ${lagMs} ms behind`;
  return { state: lagMs > LIBRARY_LATE_MS ? "degraded" : "ready", note };
}

const LIBRARY_LATE_MS = 3 * LIBRARY_BATCH.waitMs;

const activeSchedules = ({ rows }: Hub): readonly ScheduleRow[] =>
  [...rows.hot("schedule").values()].filter(({ nextMs }) => nextMs !== undefined);

const lastRunMs = ({ rows }: Hub): number =>
  [...rows.hot("schedule").values()].reduce((last, row) => Math.max(last, row.lastMs ?? 0), 0);

function scheduleNote(hub: Hub): string {
  const active = activeSchedules(hub);
  const nextMs = active.reduce((next, row) => Math.min(next, row.nextMs ?? Infinity), Infinity);
  const count = `${active.length} active`;
  if (isSwitchedOff(hub.rows)) return `${count}, switched off`;
  return nextMs === Infinity ? count : `${count}, next ${new Date(nextMs).toISOString()}`;
}

function logState(
  { replica, id }: Hub,
  isServing: boolean,
): {
  state: "ready" | "degraded" | "starting";
  note?: string;
} {
  const { isDiskFull, damage, leader, role } = replica.status();
  if (damage !== undefined) return { state: "degraded", note: `this hub may not vote: ${damage}` };
  if (isDiskFull) return { state: "degraded", note: "the disk does not take writes" };
  if (leader === null) return { state: "starting", note: "no hub leads" };
  if (role === "leader" && !isServing) return { state: "starting", note: "begins to lead" };
  return { state: "ready", note: role === "leader" ? "leads" : `follows ${leader ?? id}` };
}
