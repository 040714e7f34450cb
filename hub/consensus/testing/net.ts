// A handful of cores, each with a disk in memory, joined by a wire that is worked by hand. Nothing
// happens by itself: a test ticks, takes turns, finishes writes and delivers, or lets `settle` do it
// all until nothing is left to do. Deterministic: hubs in order, messages first in first out.

import { assert, present } from "@gantry/shared/base/assert.ts";
import { NO_MEMBERSHIP } from "../membership.ts";
import { makeRaft } from "../raft.ts";
import type {
  Core,
  CoreConfig,
  Entry,
  HubId,
  Input,
  Membership,
  Message,
  Ready,
  StepOutcome,
} from "../types.ts";
import { makeFakeDisk, type FakeDisk } from "./disk.ts";

type Write = NonNullable<Ready["write"]>;

export interface NetHub {
  readonly id: HubId;
  core: Core;
  readonly disk: FakeDisk;
  /** Handed to the disk, not synced. */
  writes: Write[];
  /** A disk that stands still: `settle` finishes none of its writes. */
  isStalled: boolean;
  /** A snapshot that `settle` is not to install. */
  isInstallHeld: boolean;
  install: Ready["install"];
  applied: Entry[];
  reads: { id: number; index: number | undefined }[];
  config: CoreConfig;
}

export interface NetOptions {
  readonly hubs: readonly HubId[];
  readonly voters?: readonly HubId[];
  readonly learners?: readonly HubId[];
  readonly config?: Partial<CoreConfig>;
  readonly configOf?: (id: HubId) => Partial<CoreConfig>;
  readonly logs?: Readonly<Record<HubId, { terms: readonly number[]; commit?: number }>>;
}

export type Net = ReturnType<typeof makeNet>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const bytes = (text: string): Uint8Array => encoder.encode(text);
export const text = (data: Uint8Array): string => decoder.decode(data);

const TURNS_MAX = 10_000;
const dropNothing = (_message: Message): boolean => false;

export function makeNet(options: NetOptions) {
  const hubs = new Map<HubId, NetHub>();
  const membership: Membership = {
    ...NO_MEMBERSHIP,
    voters: options.voters ?? options.hubs,
    learners: options.learners ?? [],
  };
  let wire: Message[] = [];
  const cuts = new Set<string>();
  /** Delivered since `clearLog`, one line each. */
  const log: string[] = [];
  let drop = dropNothing;

  for (const id of options.hubs) add(id, membership);

  /** A new hub with an empty disk, that knows the group as `known`. */
  function add(id: HubId, known: Membership): NetHub {
    const { terms = [], commit = 0 } = options.logs?.[id] ?? {};
    const disk = makeFakeDisk(terms, commit, known);
    const chance = (hubs.size % 10) / 10;
    const config: CoreConfig = {
      id,
      electionTicks: 10,
      heartbeatTicks: 1,
      random: () => chance, // another one for each hub, so that no two campaign in step for ever
      uncommittedBytesMax: 1 << 20,
      inflightMax: 8,
      inflightBytesMax: 1 << 20,
      messageBytesMax: 1 << 16,
      ...options.config,
      ...options.configOf?.(id),
    };
    const hub: NetHub = {
      id,
      core: makeRaft(config, disk.restored(), disk.log),
      disk,
      writes: [],
      isStalled: false,
      isInstallHeld: false,
      install: undefined,
      applied: [],
      reads: [],
      config,
    };
    hubs.set(id, hub);
    return hub;
  }

  const get = (id: HubId): NetHub => present(hubs.get(id), `hub ${id}`);

  const step = (id: HubId, input: Input): StepOutcome => get(id).core.step(input);

  /** Does what one `ready` says, but for the disk. False when there was nothing. */
  function turn(id: HubId): boolean {
    const hub = get(id);
    const ready = hub.core.ready();
    if (ready === undefined) return false;
    for (const message of ready.messages) wire.push(message);
    if (ready.write !== undefined) hub.writes.push(ready.write);
    for (const entry of ready.committed) {
      const before = hub.applied.at(-1)?.index ?? hub.disk.appliedIndex;
      assert(entry.index === before + 1, "applied in order, each once");
      hub.applied.push(entry);
    }
    hub.reads.push(...ready.reads);
    if (ready.install !== undefined) hub.install = ready.install;
    return true;
  }

  /** The oldest write is on the disk: what waited for it leaves, the core hears of it. */
  function store(id: HubId): boolean {
    const hub = get(id);
    const write = hub.writes.shift();
    if (write === undefined) return false;
    hub.disk.put(write.hardState, write.entries);
    for (const message of write.after) wire.push(message);
    if (write.isSync) hub.core.step({ type: "stored", ...hub.disk.stored() });
    return true;
  }

  function install(id: HubId): boolean {
    const hub = get(id);
    const wanted = hub.install;
    if (wanted === undefined) return false;
    while (store(id)); // a snapshot takes its turn behind the writes before it
    hub.install = undefined;
    hub.disk.reset(wanted.index, wanted.indexTerm, wanted.membership);
    hub.applied = [];
    hub.core.step({ type: "installed", index: wanted.index, isDone: true });
    hub.core.step({
      type: "snapshotKept",
      index: wanted.index,
      indexTerm: wanted.indexTerm,
      membership: wanted.membership,
    });
    return true;
  }

  const isCut = ({ from, to }: Message): boolean => cuts.has(`${from}>${to}`);

  /** Delivers what is on the wire now and fits; what `picks` leaves out stays there. */
  function deliver(picks: (message: Message) => boolean = () => true): number {
    const now = wire;
    wire = [];
    let count = 0;
    for (const message of now) {
      if (!picks(message)) {
        wire.push(message);
        continue;
      }
      if (isCut(message) || drop(message) || !hubs.has(message.to)) continue;
      log.push(describeMessage(message));
      get(message.to).core.step({ type: "message", message });
      count += 1;
    }
    return count;
  }

  /** Everything until nothing is left to do. */
  function settle(): void {
    for (let turns = 0; turns < TURNS_MAX; turns += 1) {
      let isBusy = false;
      for (const hub of hubs.values()) {
        while (turn(hub.id)) isBusy = true;
        while (!hub.isStalled && store(hub.id)) isBusy = true;
        if (!hub.isInstallHeld && install(hub.id)) isBusy = true;
      }
      if (deliver() > 0) isBusy = true;
      if (!isBusy) return;
    }
    throw new Error("the net never comes to rest");
  }

  function tick(id: HubId, count = 1): void {
    for (let at = 0; at < count; at += 1) step(id, { type: "tick" });
  }

  const leaders = (): HubId[] =>
    [...hubs.values()].filter(({ core }) => core.status().role === "leader").map(({ id }) => id);

  return {
    add,
    get,
    step,
    turn,
    store,
    install,
    deliver,
    settle,
    tick,
    leaders,
    log,
    status: (id: HubId) => get(id).core.status(),
    wire: (): readonly Message[] => wire,
    /** On the wire as if `message.from` had sent it. */
    inject: (message: Message): void => void wire.push(message),
    clearWire: (): void => void (wire = []),
    clearLog: (): void => void (log.length = 0),
    dropWhere: (rule: (message: Message) => boolean): void => void (drop = rule),
    /** One tick everywhere, `count` times, settling after each. */
    beat(count = 1): void {
      for (let at = 0; at < count; at += 1) {
        for (const id of hubs.keys()) tick(id);
        settle();
      }
    },
    /** `id` campaigns by its own clock and, where the others let it, leads. */
    elect(id: HubId): void {
      for (let at = 0; at < 4 * get(id).config.electionTicks; at += 1) {
        if (get(id).core.status().role !== "follower") break;
        tick(id);
      }
      settle();
    },
    /** `id` takes over as if leadership had been handed to it. */
    crown(id: HubId): void {
      step(id, {
        type: "message",
        message: { type: "campaignNow", from: "test", to: id, term: get(id).core.status().term },
      });
      settle();
    },
    propose: (id: HubId, word: string): StepOutcome =>
      step(id, { type: "propose", data: bytes(word) }),
    read: (id: HubId, readId: number): void => void step(id, { type: "read", id: readId }),
    cut(one: HubId, other: HubId): void {
      cuts.add(`${one}>${other}`);
      cuts.add(`${other}>${one}`);
    },
    cutOneWay: (from: HubId, to: HubId): void => void cuts.add(`${from}>${to}`),
    isolate(id: HubId): void {
      for (const other of hubs.keys()) if (other !== id) this.cut(id, other);
    },
    heal: (): void => cuts.clear(),
    /** What was not synced is lost; the hub starts again from its disk. */
    restart(id: HubId, config: Partial<CoreConfig> = {}): void {
      const hub = get(id);
      hub.writes = [];
      hub.install = undefined;
      hub.applied = [];
      hub.reads = [];
      hub.config = { ...hub.config, ...config };
      hub.core = makeRaft(hub.config, hub.disk.restored(), hub.disk.log);
      // A snapshot outlives its hub; the driver names it again.
      const kept = hub.disk.snapshot();
      if (kept !== undefined) step(id, { type: "snapshotKept", ...kept });
    },
    /** A snapshot up to `index` replaces the entries that it covers. */
    compact(id: HubId, index: number): void {
      const hub = get(id);
      const { membership: known } = hub.core.status();
      const indexTerm = present(hub.disk.log.termAt(index), "the entry at the snapshot");
      hub.disk.compact(index, known);
      step(id, { type: "snapshotKept", index, indexTerm, membership: known });
    },
    /** Words applied by a hub, opening entries left out. */
    words: (id: HubId): string[] =>
      get(id)
        .applied.filter(({ kind, data }) => kind === "commands" && data.length > 0)
        .map(({ data }) => text(data)),
    /** Terms of the stored entries of a hub, first to last. */
    terms: (id: HubId): number[] =>
      get(id)
        .disk.entries()
        .map(({ term }) => term),
  };
}

/** One line for transcripts. */
export function describeMessage(message: Message): string {
  const head = `${message.from}>${message.to} t${message.term} `;
  switch (message.type) {
    case "vote":
      return `${head}${message.isPre ? "pre-vote" : "vote"} ${message.lastIndex}/${message.lastTerm}${message.isForced ? " forced" : ""}`;
    case "voted":
      return `${head}${message.isPre ? "pre-voted" : "voted"} ${message.isGranted ? "yes" : "no"}`;
    case "append":
      return `${head}append ${message.prevIndex}/${message.prevTerm} [${message.entries.map(({ index, term }) => `${index}/${term}`).join(" ")}] c${message.commit}`;
    case "appended":
      return message.isRefused
        ? `${head}refused ${message.index} hint ${message.hintIndex}/${message.hintTerm}`
        : `${head}appended ${message.index}`;
    case "heartbeat":
      return `${head}heartbeat c${message.commit} r${message.read}`;
    case "heartbeatAnswer":
      return `${head}beat r${message.read}`;
    case "snapshot":
      return `${head}snapshot ${message.index}/${message.indexTerm}`;
    case "campaignNow":
      return `${head}campaign now`;
    case "readIndex":
      return `${head}read index`;
    case "readIndexAnswer":
      return `${head}read at ${message.index}`;
  }
}
