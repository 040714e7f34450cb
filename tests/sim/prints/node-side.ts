// A machine with the real print book of the node agent, over a journal that a crash cuts short, a link
// that loses and repeats, and its bridge.

import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { Journal } from "../../../node-agent/adapters/journal.ts";
import {
  entriesOf,
  type Entry,
  fold,
  makeMemory,
  makeTables,
} from "../../../node-agent/agent/memory.ts";
import { makeOutbox } from "../../../node-agent/agent/outbox.ts";
import type { Bridge } from "../../../node-agent/agent/ports.ts";
import { makePrints, type Prints } from "../../../node-agent/agent/prints.ts";
import { makeSimClock, makeSimTime } from "../replica/sim-clock.ts";
import type { World } from "../world.ts";
import type { BridgeSide } from "./bridge-side.ts";
import type { Chaos } from "./chaos.ts";

export interface NodeParts {
  readonly world: World;
  readonly chaos: Chaos;
  readonly bridge: BridgeSide;
  /** It has something to say; false: there is no session. */
  readonly send: (message: NodeMessage) => boolean;
  /** It wants a session, again and again until `welcome`. */
  readonly greet: (life: NodeLife) => void;
}

/** One life of the process. */
export interface NodeLife {
  readonly bootId: string;
  readonly prints: Prints;
  readonly isOver: () => boolean;
  printers(): readonly Printer[];
  take(message: HubMessage): void;
  welcome(): void;
}

export interface NodeSide {
  readonly id: string;
  readonly current: NodeLife | undefined;
  start(): void;
  crash(): void;
}

const DISK_MS_MAX = 5;
const FETCH_MS_MAX = 120;
const BEAT_MS = 400;

export function makeNodeSide(id: string, parts: NodeParts): NodeSide {
  const { world, chaos, bridge } = parts;
  const { random } = world;
  const time = makeSimTime(world);
  const blobs = new Set<string>();
  let disk: Entry[] = [];
  let unwritten: Entry[] = [];
  let life = 0;
  let current: NodeLife | undefined;

  function openJournal(own: number): Journal<Entry> {
    let endsAt = 0;
    return {
      sizeBytes: 0,
      append(entry) {
        const copy = structuredClone(entry);
        unwritten.push(copy);
        endsAt = Math.max(endsAt, world.now + random() * DISK_MS_MAX);
        return new Promise((resolve) => {
          world.after(endsAt - world.now, () => {
            if (own !== life) return;
            chaos.atWrite("node", id);
            if (own !== life) return;
            unwritten.shift();
            disk.push(copy);
            chaos.atWrite("node", id);
            if (own === life) resolve();
          });
        });
      },
      rewrite: (entries) => {
        disk = [...entries()];
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
  }

  return {
    id,
    get current() {
      return current;
    },
    start() {
      if (current !== undefined) return;
      const own = life;
      const isOver = (): boolean => own !== life;
      const happens = (run: () => void): void => {
        if (!isOver()) run();
      };
      const tables = makeTables();
      for (const entry of disk) fold(tables, entry);
      disk = entriesOf(tables);
      const memory = makeMemory(tables, openJournal(own));
      const outbox = makeOutbox();
      const scope = makeScope((_task, error) => {
        if (own === life) throw error;
      });
      let port: Bridge | undefined;
      const prints = makePrints(
        {
          bridge: () =>
            port ?? { isConnected: false, order: () => Promise.reject(new Error("no")) },
          memory,
          cache: {
            find: (sha256) => Promise.resolve(blobs.has(sha256) ? sha256 : undefined),
            write: () => Promise.reject(new Error("not used")),
            remove: (sha256) => Promise.resolve(void blobs.delete(sha256)),
          },
          blobs: {
            fetch: (sha256) =>
              new Promise((resolve) =>
                world.after(random() * FETCH_MS_MAX, () =>
                  happens(() => {
                    blobs.add(sha256);
                    resolve(sha256);
                  }),
                ),
              ),
            onPiece: () => {},
            onLost: () => {},
          },
          outbox,
          clock: makeSimClock(world, time, happens),
          log: silentLogger,
          onPrinters: () => {},
        },
        scope,
      );
      port = bridge.connect(prints.handlers, happens);
      const own_: NodeLife = {
        bootId: `${id}-${own}`,
        prints,
        isOver,
        printers: () => prints.printers(),
        take(message) {
          if (isOver()) return;
          if (message.type === "print") prints.take(message);
          else if (message.type === "printWish") prints.wish(message);
          else if (message.type === "recorded") prints.recorded(message);
          else if (message.type === "stop") prints.stop(message);
          else if (message.type === "resetPrinter") prints.reset(message);
        },
        welcome() {
          outbox.use({
            send: ([message]) =>
              !isOver() && message !== undefined && parts.send(message) ? "sent" : "absent",
            greet: () => {},
            close: () => Promise.resolve(),
          });
          prints.open();
          prints.repeat();
        },
      };
      current = own_;
      const beat = (): void => {
        if (isOver()) return;
        prints.tick();
        prints.repeat();
        parts.greet(own_);
        world.after(BEAT_MS, beat);
      };
      beat();
    },
    crash() {
      if (current === undefined) return;
      life += 1;
      current = undefined;
      bridge.hangUp();
      disk.push(...unwritten.slice(0, Math.floor(random() * (unwritten.length + 1))));
      unwritten = [];
    },
  };
}
