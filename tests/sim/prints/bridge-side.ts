// A firmware bridge in the simulated workshop: the real desk, preparation and job book, over a journal
// that a crash cuts short and printers that lose their power. What the journal holds in memory is gone
// with the process; what had reached the disk is read back.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { Bridge, BridgeHandlers } from "../../../node-agent/agent/ports.ts";
import { jobReport, makeBridge } from "../../../firmware-bridge/bridge/bridge.ts";
import { makeJobBook } from "../../../firmware-bridge/bridge/job-book.ts";
import { abortPreparing, tooEarly } from "../../../firmware-bridge/bridge/job-control.ts";
import {
  makeStartJob,
  NO_WORK,
  type Stage,
  type Work,
} from "../../../firmware-bridge/bridge/preparation.ts";
import type { EndPhase, JobRow, Journal, PrinterPort } from "../../../firmware-bridge/ports.ts";
import type { World } from "../world.ts";
import type { Beds } from "./beds.ts";
import type { Chaos } from "./chaos.ts";
import { FILE } from "./setting.ts";

export interface BridgeParts {
  readonly world: World;
  readonly chaos: Chaos;
  readonly beds: Beds;
  readonly printers: readonly string[];
}

export interface BridgeSide {
  start(): void;
  crash(): void;
  /** It prints nothing from now on until its power is back. */
  powerLoss(printer: string): void;
  /** For one life of an agent. */
  connect(handlers: BridgeHandlers, happens: (run: () => void) => void): Bridge;
  hangUp(): void;
}

interface SimPrint {
  readonly kind: "printing";
  readonly job: string;
  token: number;
}

type Entry = { readonly token: number; readonly printer: string } | { readonly row: JobRow };

const DISK_MS_MAX = 5;
const SOCKET_MS_MAX = 4;
const DELIVER_MS_MAX = 60;
const PRINT_MS_MAX = 2_500;
const OPENING_MS_MAX = 900;

export function makeBridgeSide(id: string, parts: BridgeParts): BridgeSide {
  const { world, chaos, beds } = parts;
  const { random } = world;
  let disk: Entry[] = [];
  let unwritten: Entry[] = [];
  let life = 0;
  let isUp = false;
  let desk: ReturnType<typeof makeBridge> | undefined;
  let ports: { readonly port: PrinterPort; readonly powerLoss: () => void }[] = [];
  const asked = new Set<() => void>(); // orders without an answer; a dead bridge answers them so
  let agent: { handlers: BridgeHandlers; happens: (run: () => void) => void } | undefined;

  /** As adapters/journal.ts: known at once, resolved when it is on the disk, in the order of the calls. */
  function openJournal(own: number): Journal {
    const tokens = new Map<string, number>();
    const rows = new Map<string, JobRow>();
    let endsAt = 0;
    const apply = (entry: Entry): void => {
      if ("row" in entry) {
        rows.delete(entry.row.job);
        rows.set(entry.row.job, entry.row);
      } else tokens.set(entry.printer, Math.max(entry.token, tokens.get(entry.printer) ?? 0));
    };
    for (const entry of disk) apply(entry);

    function record(entry: Entry): Promise<void> {
      apply(entry);
      unwritten.push(entry);
      endsAt = Math.max(endsAt, world.now + random() * DISK_MS_MAX);
      return new Promise((resolve) => {
        world.after(endsAt - world.now, () => {
          if (own !== life) return;
          chaos.atWrite("bridge", id);
          if (own !== life) return;
          unwritten.shift();
          disk.push(entry);
          chaos.atWrite("bridge", id);
          if (own === life) resolve();
        });
      });
    }

    return {
      highestToken: (printer) => tokens.get(printer) ?? 0,
      raiseToken: (printer, token) =>
        token > (tokens.get(printer) ?? 0) ? record({ printer, token }) : Promise.resolve(),
      find: (printer, job) => {
        const row = rows.get(job);
        return row?.printer === printer ? row : undefined;
      },
      rows: (printer) => [...rows.values()].filter((row) => row.printer === printer),
      put: (row) => record({ row }),
      close: () => Promise.resolve(),
    };
  }

  function tell(own: number, report: Parameters<BridgeHandlers["report"]>[0]): void {
    const to = agent;
    if (to === undefined || own !== life) return;
    toAgent(() => {
      if (agent === to) to.happens(() => to.handlers.report(report));
    });
  }

  let socketFreeAt = 0;
  /** A socket keeps the order. */
  function toAgent(run: () => unknown): void {
    socketFreeAt = Math.max(socketFreeAt, world.now + random() * SOCKET_MS_MAX);
    world.after(socketFreeAt - world.now, () => void run());
  }

  function makePort(own: number, printer: string, journal: Journal) {
    const scope = makeScope((_task, error) => {
      if (own === life) throw error;
    });
    const onJob = (row: JobRow, phase: Parameters<typeof jobReport>[1]): void =>
      tell(own, jobReport(row, phase) as Parameters<BridgeHandlers["report"]>[0]);
    const book = makeJobBook(printer, { journal, log: silentLogger, onJob });
    const state: { work: Work<SimPrint>; cable: "opening" | "online" | "down" } = {
      work: NO_WORK,
      cable: "opening",
    };
    let session = 0;

    const view = (): Printer => ({
      id: printer,
      driver: "marlin",
      phase:
        state.cable === "online"
          ? state.work.kind === "printing"
            ? "printing"
            : "idle"
          : state.cable === "down"
            ? "stopped"
            : "opening",
      isSimulated: true,
      sizeMm: { x: 200, y: 200, z: 200 },
      nozzleMaxC: 260,
      bedMaxC: 110,
      ...(state.work.kind === "printing" ? { job: state.work.job } : {}),
    });
    const tellAll = (): void =>
      tell(own, { type: "printers", printers: ports.map(({ port }) => port.printer()) });

    async function end(print: SimPrint, phase: EndPhase): Promise<void> {
      if (state.work !== print) return;
      const row: JobRow = {
        printer,
        job: print.job,
        token: print.token,
        phase,
        progress: phase === "done" ? 1 : 0.5,
        startedCount: 1,
        isAcknowledged: false,
        ...(phase === "done"
          ? {}
          : {
              error: {
                code: phase === "interrupted" ? "interrupted" : "device_fault",
                message: "It stopped",
              },
            }),
      };
      await book.end(row);
      if (own !== life) return;
      if (state.work === print) state.work = NO_WORK;
      onJob(row, phase);
      tellAll();
    }

    /** As Marlin's driver does after each handshake: what nobody works on was interrupted (DR2). */
    function open(): void {
      session += 1;
      const ours = session;
      state.cable = "opening";
      tellAll();
      world.after(50 + random() * OPENING_MS_MAX, () => {
        if (own !== life || ours !== session) return;
        scope.start("open", async () => {
          await book.endLost("The bridge stopped while it printed", (job) => {
            const { work } = state;
            return work.kind !== "none" && work.job === job;
          });
          if (own !== life || ours !== session) return;
          state.cable = "online";
          tellAll();
        });
      });
    }

    const requireReady = (): void => {
      if (state.cable === "online") return;
      throw new GantryError(
        state.cable === "down" ? "device_fault" : "device_offline",
        `${printer} is ${state.cable}`,
      );
    };

    const stage: Stage<SimPrint> = {
      printer,
      state,
      book,
      scope,
      openJobFile: () =>
        Promise.resolve({
          sizeBytes: FILE.bytes.length,
          read: (offset: number, sizeBytes: number) =>
            Promise.resolve(FILE.bytes.subarray(offset, offset + sizeBytes)),
          close: () => Promise.resolve(),
        }),
      jobOf: (print) => print,
      requireReady,
      limits: () => ({ sizeMm: { x: 200, y: 200, z: 200 }, nozzleMaxC: 260, bedMaxC: 110 }),
      deliver: () =>
        new Promise((resolve) =>
          world.after(random() * DELIVER_MS_MAX, () => {
            if (own === life) resolve(undefined);
          }),
        ),
      begin({ job, token }, _file, _cleared, row) {
        if (own !== life) return;
        const print: SimPrint = { kind: "printing", job, token };
        state.work = print;
        beds.firstByte(printer, job);
        onJob(row, "started");
        tellAll();
        world.after(50 + random() * PRINT_MS_MAX, () => {
          if (own === life)
            scope.start("end", () => end(print, random() < 0.9 ? "done" : "failed"));
        });
      },
      onJob,
      tell: tellAll,
    };
    const start = makeStartJob(stage);

    const port: PrinterPort = {
      id: printer,
      printer: view,
      run: () => Promise.resolve(),
      start,
      async control(order) {
        book.assertFresh(order.token);
        const preparing = (): Work<SimPrint> => state.work;
        const before = preparing();
        if (order.type === "cancel" && before.kind === "preparing") abortPreparing(before, order);
        await book.raise(order.token);
        const { work } = state;
        if (work.kind === "preparing" && work.job === order.job) {
          return order.type === "cancel" ? undefined : tooEarly(order);
        }
        if (work.kind !== "printing" || work.job !== order.job) return book.controlEnded(order);
        work.token = Math.max(work.token, order.token);
        if (order.type === "cancel") scope.start("cancel", () => end(work, "cancelled"));
        return undefined;
      },
      stop() {
        const { work } = state;
        if (work.kind === "printing") scope.start("stop", () => end(work, "failed"));
        if (work.kind === "preparing") work.abort.abort(new GantryError("device_fault", "Stop"));
        session += 1;
        state.cable = "down";
        tellAll();
      },
      reset() {
        if (state.cable === "down") open();
        return undefined;
      },
      shutdown: () => Promise.resolve(),
    };
    function powerLoss(): void {
      const { work } = state;
      if (work.kind === "printing") scope.start("power", () => end(work, "interrupted"));
      if (state.cable !== "down") open();
    }
    return { port, powerLoss, open };
  }

  function greet(): void {
    const to = agent;
    const own = life;
    if (to === undefined || desk === undefined) return;
    toAgent(() => {
      if (agent !== to || own !== life || desk === undefined) return;
      to.happens(to.handlers.connected);
      for (const report of desk.greeting()) tell(own, report as Parameters<typeof tell>[1]);
    });
  }

  return {
    start() {
      if (isUp) return;
      isUp = true;
      const own = life;
      const journal = openJournal(own);
      const made = parts.printers.map((printer) => makePort(own, printer, journal));
      ports = made;
      desk = makeBridge(
        made.map(({ port }) => port),
        journal,
        silentLogger,
      );
      for (const { open } of made) open();
      greet();
    },
    crash() {
      if (!isUp) return;
      isUp = false;
      life += 1;
      desk = undefined;
      ports = [];
      // Of what was under way, a part may have reached the disk: always a beginning of it.
      disk.push(...unwritten.slice(0, Math.floor(random() * (unwritten.length + 1))));
      unwritten = [];
      const to = agent;
      const open = [...asked];
      asked.clear();
      to?.happens(() => {
        for (const lost of open) lost();
        to.handlers.lost();
      });
    },
    powerLoss(printer) {
      ports.find(({ port }) => port.id === printer)?.powerLoss();
    },
    connect(handlers, happens) {
      const own = { handlers, happens };
      agent = own;
      if (isUp) greet();
      return {
        get isConnected() {
          return agent === own && isUp;
        },
        order(order) {
          return new Promise((resolve, reject) => {
            const at = life;
            const to = desk;
            if (to === undefined || agent !== own) {
              reject(new GantryError("device_offline", "The bridge is not there"));
              return;
            }
            const lost = (): void =>
              reject(
                new GantryError("device_offline", "The bridge went away", {
                  details: { wasSent: true },
                }),
              );
            asked.add(lost);
            toAgent(async () => {
              if (at !== life) return;
              const answer = await to.handle({ ...order, id: "r" });
              if (at !== life) return;
              toAgent(() =>
                happens(() => {
                  if (at !== life) return;
                  asked.delete(lost);
                  if (answer.type !== "refused") return resolve();
                  const { code, message } = answer.error;
                  reject(new GantryError(code as "conflict", message)); // any code
                }),
              );
            });
          });
        },
      };
    },
    hangUp() {
      asked.clear();
      agent = undefined;
    },
  };
}
