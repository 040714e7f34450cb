// A machine with a node agent: the real agent loop, works, jobs and prints, over a simulated disk, link
// and bridge. A crash freezes the process; the disk and the bridge stay.
//
// HX3. What must happen once is begun once, on whichever machine: a `once` command.
// HX4. The lease of a job, and the token of a print, are on the disk before the work begins (JB2, PT1).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { startSha256 } from "@gantry/shared/base/digest.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { CommandFact } from "@gantry/shared/contract/rows.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import type { Journal } from "../../../node-agent/adapters/journal.ts";
import { makeAgent } from "../../../node-agent/agent/agent.ts";
import {
  entriesOf,
  type Entry,
  fold,
  makeMemory,
  makeTables,
} from "../../../node-agent/agent/memory.ts";
import type {
  BlobCache,
  Hands,
  HubLink,
  Identity,
  LinkEvent,
} from "../../../node-agent/agent/ports.ts";
import { startWorks } from "../../../node-agent/agent/works.ts";
import type { World } from "../world.ts";
import { insist } from "./insist.ts";
import { makeSimClock, makeSimTime } from "../replica/sim-clock.ts";
import { makeSimBridge, type SimBridge } from "./bridge.ts";
import { hubAt } from "./hub-end.ts";
import type { Line, Lines } from "./lines.ts";

export interface MachineParts {
  readonly world: World;
  readonly lines: Lines;
  readonly hubKey: string;
  readonly addresses: readonly string[];
  readonly joinSecret: string;
  /** A command begins on a machine. */
  readonly onCommand: (job: string, effect: string, machine: string) => void;
  readonly onOrder: (machine: string, message: HubMessage) => void;
}

export interface Machine {
  readonly id: string;
  readonly bridge: SimBridge;
  readonly isUp: boolean;
  /** Undefined until it is enrolled, as its disk has it. */
  readonly node: string | undefined;
  start(): void;
  crash(): void;
  pause(ms: number): void;
}

export const COMMANDS: readonly CommandFact[] = [
  { name: "open-door", summary: "Opens the door", hazard: "none", effect: "once" },
  { name: "set-light", summary: "Sets a light", hazard: "none", effect: "idempotent" },
  { name: "date", summary: "The date", hazard: "none", effect: "pure" },
];
const COMMAND_MS_MAX = 2_500;
const DISK_MS_MAX = 6;
const RESTART_MS = 1_000;
const NO_SESSION = "0".repeat(32);

export function makeMachine(id: string, parts: MachineParts): Machine {
  const { world, lines } = parts;
  const { random } = world;
  const bridge = makeSimBridge(world, `${id}-printer`);
  const time = makeSimTime(world);
  const blobs = new Map<string, Uint8Array>();
  let journal: Entry[] = [];
  let unwritten: Entry[] = [];
  let identity: Identity = {
    publicKey: id.padEnd(40, "p"),
    secretKey: id.padEnd(40, "s"),
    secret: `secret of ${id}`,
    hubKey: parts.hubKey,
  };
  let life = 0;
  let isUp = false;
  let isPaused = false;
  let inbox: (() => void)[] = [];

  const reachOf =
    (own: number) =>
    (run: () => void): void => {
      if (own !== life) return;
      if (isPaused) inbox.push(run);
      else run();
    };

  function openJournal(happens: (run: () => void) => void): Journal<Entry> {
    let endsAt = 0;
    return {
      sizeBytes: 0,
      append(entry) {
        const copy = JSON.parse(JSON.stringify(entry)) as Entry; // of an Entry
        unwritten.push(copy);
        endsAt = Math.max(endsAt, world.now + random() * DISK_MS_MAX);
        const own = life;
        return new Promise((resolve) => {
          world.after(endsAt - world.now, () => {
            if (own !== life) return;
            unwritten.shift();
            journal.push(copy);
            happens(resolve);
          });
        });
      },
      rewrite: (entries) => {
        journal = [...entries()];
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
  }

  const cache: BlobCache = {
    find: (sha256) => Promise.resolve(blobs.has(sha256) ? `/${sha256}` : undefined),
    write(sha256) {
      const hasher = startSha256();
      const pieces: Uint8Array[] = [];
      return Promise.resolve({
        write: (bytes: Uint8Array) => {
          pieces.push(bytes);
          hasher.update(bytes);
          return Promise.resolve();
        },
        finish() {
          if (hasher.hex() !== sha256) {
            return Promise.reject(new GantryError("checksum_mismatch", "Other bytes"));
          }
          blobs.set(sha256, Buffer.concat(pieces));
          return Promise.resolve(`/${sha256}`);
        },
        abort: () => Promise.resolve(),
      });
    },
    remove: (sha256) => Promise.resolve(void blobs.delete(sha256)),
  };

  const isOnDisk = (job: string): boolean =>
    journal.some((entry) => entry.type === "accepted" && entry.job === job);

  function handsOf(happens: (run: () => void) => void): Hands {
    return {
      models: () => [],
      generate: () => Promise.reject(new GantryError("capability_missing", "No model")),
      embedder: undefined,
      embed: () => Promise.reject(new GantryError("capability_missing", "No embedder")),
      commands: COMMANDS,
      runCommand(name, args, signal) {
        const { job } = args as { job: string }; // of workload.ts
        const effect = COMMANDS.find((one) => one.name === name)?.effect ?? "";
        insist(
          world,
          isOnDisk(job),
          () => `HX4 ${id} begins ${job} before its lease is on the disk`,
        );
        world.note(() => `${id} runs ${name} for ${job}`);
        parts.onCommand(job, effect, id); // HX3
        return new Promise((resolve, reject) => {
          const onAbort = (): void => reject(signal.reason as Error);
          signal.addEventListener("abort", onAbort, { once: true });
          world.after(random() * COMMAND_MS_MAX, () =>
            happens(() => {
              signal.removeEventListener("abort", onAbort);
              if (random() < 0.1) reject(new GantryError("command_failed", "It failed"));
              else resolve({ job });
            }),
          );
        });
      },
    };
  }

  function openLink(
    hub: string,
    happens: (run: () => void) => void,
    onEvent: (event: LinkEvent) => void,
  ): HubLink {
    let session = NO_SESSION;
    let isClosed = false;
    const hear = (event: LinkEvent): void => {
      if (!isClosed) onEvent(event);
    };
    const line: Line = lines.dial(hub, {
      agent: id,
      publicKey: identity.publicKey,
      happens,
      connected: () => hear({ kind: "connected" }),
      frame(head, raw) {
        const messages = raw as readonly HubMessage[]; // of hub-end.ts
        const welcome = messages.findLast((message) => message.type === "welcome");
        if (head !== session && head !== NO_SESSION && welcome === undefined) return;
        if (welcome !== undefined) session = welcome.session;
        if (!isClosed) for (const message of messages) parts.onOrder(id, message);
        hear({ kind: "messages", messages });
      },
      lost() {
        hear({ kind: "lost", why: "the connection broke" });
        isClosed = true;
      },
    });
    return {
      send(messages) {
        if (!line.isOpen) return "absent";
        line.send(session, messages);
        return "sent";
      },
      greet(message: NodeMessage) {
        session = NO_SESSION;
        line.send(session, [message]);
      },
      close() {
        isClosed = true;
        line.close();
        return Promise.resolve();
      },
    };
  }

  function run(own: number): void {
    const happens = reachOf(own);
    const clock = makeSimClock(world, time, happens);
    const tables = makeTables();
    for (const entry of journal) fold(tables, entry);
    const fence = tables.fences.get(bridge.printer)?.token ?? 0;
    insist(
      world,
      fence >= bridge.highest,
      () => `HX4 ${id} has obeyed token ${bridge.highest} and knows ${fence} after its restart`,
    );
    journal = entriesOf(tables);
    const ports = { clock, random, log: silentLogger };
    let changed: (() => void) | undefined;
    const works = startWorks(
      {
        ...ports,
        hands: handsOf(happens),
        memory: makeMemory(tables, openJournal(happens)),
        cache,
        connectBridge: (handlers) => bridge.connect(handlers, happens),
      },
      () => changed?.(),
    );
    const agent = makeAgent(
      {
        addresses: parts.addresses,
        name: id,
        labels: {},
        bootId: `${id}-${own}`,
        identity,
        joinSecret: parts.joinSecret,
      },
      {
        ...ports,
        openLink: ({ address }, onEvent) => openLink(hubAt(address), happens, onEvent),
        works,
        saveIdentity: (next) =>
          new Promise((resolve) => {
            world.after(random() * DISK_MS_MAX, () => {
              if (own !== life) return;
              identity = next;
              happens(resolve);
            });
          }),
      },
    );
    changed = () => agent.capabilitiesChanged();
    agent.run(new AbortController().signal).catch((error: unknown) => {
      if (own !== life) return;
      world.note(() => `${id} ends: ${String(error)}`);
      machine.crash();
      world.after(RESTART_MS, () => machine.start());
    });
  }

  const machine: Machine = {
    id,
    bridge,
    get isUp() {
      return isUp;
    },
    get node() {
      return identity.node;
    },
    start() {
      if (isUp) return;
      isUp = true;
      life += 1;
      world.note(() => `${id} starts`);
      run(life);
    },
    crash() {
      if (!isUp) return;
      world.note(() => `${id} crashes`);
      isUp = false;
      isPaused = false;
      inbox = [];
      life += 1;
      lines.hangUp(id, false);
      bridge.hangUp();
      journal.push(...unwritten.slice(0, Math.floor(random() * (unwritten.length + 1))));
      unwritten = [];
    },
    pause(ms) {
      if (!isUp || isPaused) return;
      world.note(() => `${id} is paused for ${ms.toFixed(0)} ms`);
      isPaused = true;
      const own = life;
      world.after(ms, () => {
        if (own !== life) return;
        isPaused = false;
        for (const each of inbox.splice(0)) if (own === life) each();
      });
    },
  };
  return machine;
}
