// A firmware bridge in the simulator: the rules of firmware-bridge/bridge that an agent can see, and a
// printer that takes a while. It outlives its agent, and its book survives itself.
//
// HX1. An order with a lower token than one before it never comes from the agent.
// HX2. The first byte of a job is sent at most once, and a job that has begun is never given again with
//      another token.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { BridgeReport, JobPhase, Printer } from "@gantry/shared/contract/bridge.ts";
import type { Bridge, BridgeHandlers, OrderWithoutId } from "../../../node-agent/agent/ports.ts";
import type { World } from "../world.ts";
import { insist } from "./insist.ts";

export interface SimBridge {
  readonly printer: string;
  /** The highest token that the agent has given an order with. */
  readonly highest: number;
  starts(job: string): number;
  /** For one life of the agent. */
  connect(handlers: BridgeHandlers, happens: (run: () => void) => void): Bridge;
  /** The agent's process is gone. */
  hangUp(): void;
  /** It dies and is started again: what it printed is interrupted. */
  restart(): void;
}

interface Row {
  readonly job: string;
  readonly token: number;
  phase: JobPhase;
  startedCount: number;
  isAcknowledged: boolean;
}

const ANSWER_MS_MAX = 4;
const START_MS = 150;
const PRINT_MS_MAX = 4_000;
const ENDS: readonly JobPhase[] = ["done", "failed", "cancelled", "interrupted"];

export function makeSimBridge(world: World, id: string): SimBridge {
  const { random } = world;
  const book = new Map<string, Row>();
  const began = new Map<string, number>();
  let asked = 0; // by the agent
  let highest = 0; // taken
  let running: Row | undefined;
  let life = 0;
  let agent: { handlers: BridgeHandlers; happens: (run: () => void) => void } | undefined;

  const printer = (): Printer => ({
    id,
    driver: "marlin",
    phase: running === undefined ? "idle" : "printing",
    isSimulated: true,
    sizeMm: { x: 200, y: 200, z: 200 },
    nozzleMaxC: 260,
    bedMaxC: 110,
    ...(running === undefined ? {} : { job: running.job }),
  });

  function tell(report: Exclude<BridgeReport, { id: string }>): void {
    const to = agent;
    if (to === undefined) return;
    world.after(random(), () => {
      if (agent === to) to.happens(() => to.handlers.report(report));
    });
  }

  const tellPrinters = (): void => tell({ type: "printers", printers: [printer()] });

  function tellRow({ job, token, phase, startedCount }: Row): void {
    const progress = phase === "done" ? 1 : 0.5;
    tell({ type: "job", printer: id, job, token, phase, progress, startedCount });
  }

  function end(row: Row, phase: JobPhase): void {
    if (running === row) running = undefined;
    row.phase = phase;
    world.note(() => `${id} ${phase} ${row.job}`);
    tellRow(row);
    tellPrinters();
  }

  function start(order: Extract<OrderWithoutId, { type: "start" }>): void {
    const { job, token } = order;
    const known = book.get(job);
    const first = began.get(job);
    insist(
      world,
      first === undefined || first === token,
      () => `HX2 ${job} began with token ${first} and is given again with ${token}`,
    );
    if (known !== undefined) return; // never started again
    if (running !== undefined) throw new GantryError("busy", `${id} prints ${running.job}`);
    const row: Row = { job, token, phase: "started", startedCount: 1, isAcknowledged: false };
    book.set(job, row);
    began.set(job, token);
    running = row;
    world.note(() => `${id} starts ${job} with token ${token}`);
    tellRow(row);
    tellPrinters();
    const own = life;
    world.after(100 + random() * PRINT_MS_MAX, () => {
      if (own === life && running === row) end(row, random() < 0.9 ? "done" : "failed");
    });
  }

  function cancel(job: string): void {
    const row = book.get(job);
    if (row === undefined) throw new GantryError("not_found", `${id} does not know ${job}`);
    if (row === running) end(row, "cancelled");
  }

  function carryOut(order: OrderWithoutId): void {
    if ("token" in order && order.type !== "acknowledge") {
      if (order.token < highest) throw new GantryError("stale_token", `${id} is at ${highest}`);
      highest = order.token;
    }
    if (order.type === "start") start(order);
    else if (order.type === "cancel") cancel(order.job);
    else if (order.type === "acknowledge") {
      const row = book.get(order.job);
      if (row !== undefined && ENDS.includes(row.phase)) row.isAcknowledged = true;
    }
  }

  function greet(): void {
    const to = agent;
    if (to === undefined) return;
    to.happens(to.handlers.connected);
    tellPrinters();
    for (const row of book.values()) if (!row.isAcknowledged) tellRow(row);
  }

  return {
    printer: id,
    get highest() {
      return asked;
    },
    starts: (job) => (began.has(job) ? 1 : 0),
    connect(handlers, happens) {
      const own = { handlers, happens };
      let isConnected = false;
      world.after(1, () => {
        agent = own;
        isConnected = true;
        greet();
      });
      return {
        get isConnected() {
          return isConnected && agent === own;
        },
        order(order) {
          if ("token" in order && order.type !== "acknowledge") {
            insist(
              world,
              order.token >= asked,
              () => `HX1 ${id} is given ${order.type} with token ${order.token} after ${asked}`,
            );
            asked = order.token;
          }
          return new Promise((resolve, reject) => {
            if (agent !== own) {
              reject(new GantryError("device_offline", "The bridge is not there"));
              return;
            }
            const at = life;
            world.after(random() * ANSWER_MS_MAX, () => {
              if (at !== life) {
                const details = { wasSent: true };
                happens(() =>
                  reject(new GantryError("device_offline", "The bridge went away", { details })),
                );
                return;
              }
              try {
                carryOut(order);
                const answerMs = random() * ANSWER_MS_MAX;
                world.after(answerMs, () => happens(resolve));
              } catch (error) {
                if (!(error instanceof GantryError)) throw error;
                happens(() => reject(error));
              }
            });
          });
        },
      };
    },
    hangUp() {
      agent = undefined;
    },
    restart() {
      world.note(() => `${id}: its bridge starts again`);
      life += 1;
      if (running !== undefined) running.phase = "interrupted";
      running = undefined;
      const to = agent;
      agent = undefined;
      to?.happens(to.handlers.lost);
      world.after(START_MS, () => {
        if (agent !== undefined || to === undefined) return;
        agent = to;
        greet();
      });
    },
  };
}
