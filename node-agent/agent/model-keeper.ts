// The one owner of all models of this machine: which are loaded, where, and for how long.
//
// MK1. Every step of a model's life is taken here (rules/model-life.ts); a model is loaded once,
//      however many ask for it at the same time.
// MK2. A process is started only with its memory held in the ledger, which lets it go when the process
//      has ended (rules/memory-ledger.ts).
// MK3. Where there is no room, what is least worth goes first (rules/eviction.ts): never a pinned one,
//      and a busy one only when its requests have ended. Requests of one model run together meanwhile.
// MK4. A model that nobody used for `idleMs` is unloaded, unless it is pinned. It stays offered.
// MK5. A process that has grown past its ceiling is drained and started anew.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ModelFact } from "@gantry/shared/contract/rows.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { ModelFile } from "../adapters/llama-file.ts";
import { chooseEviction, type Resident } from "../rules/eviction.ts";
import {
  type Device,
  DEVICES,
  estimateBytes,
  fitsEver,
  freeBytes,
  makeMemoryLedger,
  measured,
  type MemoryLedger,
  release,
  reserve,
} from "../rules/memory-ledger.ts";
import {
  ABSENT,
  afterEvent,
  isBusy,
  isOpen,
  type Life,
  type LifeEvent,
} from "../rules/model-life.ts";
import type { Model } from "../runners/infer.ts";
import type { ModelPath } from "./ports.ts";

const TICK_MS = 1_000;
const LOOK_MS = 10_000;
const SLOTS_DEFAULT = 8;
const CONTEXT_DEFAULT = 4_096;
/** Half of what is counted of a model's use is forgotten in this time. */
const USE_HALF_LIFE_S = 600;
const PREFILL_TOKENS_MIN = 32;
const EVICTIONS_WINDOW_MS = 300_000;
/** Until the first load of a model was measured: what a disk reads in a second. */
const DISK_BYTES_PER_S = 500_000_000;
/** MK5: twice what it was when it was loaded, and a gigabyte more at least. */
const GROWTH_MAX = 2;
const GROWTH_MIN_BYTES = 1_073_741_824;

export interface KeeperOptions {
  readonly makeModel: (path: string, name: string, device: Device) => Promise<Model>;
  /** Of the bytes, where somebody has told it. */
  readonly readHash?: (path: string) => Promise<string | undefined>;
  readonly readFile: (path: string, signal: AbortSignal) => Promise<ModelFile>;
  /** Bytes for models, of each device that is there. */
  readonly capacity: MemoryLedger["capacity"];
  readonly slots: number | undefined;
  readonly contextTokens: number | undefined;
  /** 0: never (MK4). */
  readonly idleMs: number;
  /** Between two looks at the children's memory and at what is idle; default 10 s. */
  readonly lookMs?: number;
  /** Of a child's process; undefined where nobody can say. */
  readonly residentBytes: (pid: number) => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Logger;
  /** What is offered has changed. */
  readonly onChange: () => void;
}

export interface RuntimeFact {
  readonly name: string;
  readonly state: Life["kind"];
  readonly device?: Device;
  readonly bytes?: number;
  readonly isPinned: boolean;
  readonly running: number;
  /** For a slot, or for the model to be loaded. */
  readonly waiting: number;
  /** Of one answer, lately. */
  readonly tokensPerS?: number;
  /** Of a prompt that is read for the first time. */
  readonly prefillTokensPerS?: number;
  readonly loadMs?: number;
  readonly sizeBytes: number;
  readonly sha256?: string;
}

export interface MemoryFact {
  readonly device: Device;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface ModelRuntime {
  readonly models: readonly RuntimeFact[];
  readonly memory: readonly MemoryFact[];
}

/** As of a whole answer (runners/llama-protocol.ts). */
export interface AnswerTimes {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

export interface ModelKeeper {
  /** A file that is whole. Loads it at once where there is room, and offers it. */
  hold(path: string, name: string): Promise<void>;
  /** The file is gone, or is another one now. */
  drop(path: string): Promise<void>;
  pin(names: ReadonlySet<string>): void;
  facts(): readonly ModelFact[];
  fileOf(sha256: string): ModelPath | undefined;
  runtime(): ModelRuntime;
  /**
   * Does `work` with the model, loaded for it if need be. Throws capability_missing, busy,
   * out_of_memory, model_invalid, model_failed, and the signal's reason.
   */
  use<T>(
    name: string,
    isInteractive: boolean,
    work: (model: Model) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T>;
  /** How fast an answer came. */
  note(name: string, answer: AnswerTimes): void;
  close(): Promise<void>;
}

interface Waiter {
  readonly sinceMs: number;
  readonly isInteractive: boolean;
  readonly go: () => void;
  readonly fail: (error: Error) => void;
}

interface Kept {
  /** In the ledger; another one for each file that had this name. */
  readonly key: string;
  readonly path: string;
  readonly name: string;
  readonly file: ModelFile;
  readonly sha256: string | undefined;
  life: Life;
  model: Model | undefined;
  fact: ModelFact | undefined;
  error: GantryError | undefined;
  isGone: boolean;
  readonly waiters: Set<Waiter>;
  loadedAtMs: number;
  loadMs: number;
  baseBytes: number;
  usedAtMs: number;
  /** Decays; see USE_HALF_LIFE_S. */
  uses: number;
  usesAtMs: number;
  evictedAtMs: number[];
  tokensPerS: number | undefined;
  prefillTokensPerS: number | undefined;
  /** The GPU had no room for it in truth. */
  isForCpu: boolean;
}

/** Works in `scope` until that is left. */
export function makeModelKeeper(options: KeeperOptions, scope: Scope): ModelKeeper {
  const { clock, log, onChange } = options;
  const kept = new Map<string, Kept>(); // by path
  const ledger = makeMemoryLedger(options.capacity);
  let pinned: ReadonlySet<string> = new Set();
  let isClosed = false;
  let lastKey = 0;

  function enter(entry: Kept, event: LifeEvent): void {
    const before = entry.life;
    entry.life = afterEvent(before, event);
    if (entry.life.kind !== before.kind)
      log.debug({ model: entry.name, state: entry.life.kind }, "model");
    if (entry.life.kind === "unloading" && before.kind !== "unloading")
      scope.start("unload", () => unload(entry));
  }

  // --- what is asked for ---

  async function use<T>(
    name: string,
    isInteractive: boolean,
    work: (model: Model) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const entry = [...kept.values()].find((each) => each.name === name && !each.isGone);
    if (entry === undefined)
      throw new GantryError("capability_missing", `This node holds no model named ${name}`);
    if (isOpen(entry.life)) begin(entry);
    else await opened(entry, isInteractive, signal);
    const { model } = entry;
    assert(model !== undefined, "a model that is open is there");
    try {
      return await work(model);
    } catch (error) {
      if (error instanceof GantryError && error.code === "model_invalid") giveUp(entry, error);
      throw error;
    } finally {
      entry.usedAtMs = clock.monotonic();
      enter(entry, { type: "end" });
      decide();
    }
  }

  function begin(entry: Kept): void {
    const nowMs = clock.monotonic();
    entry.uses = usesOf(entry, nowMs) + 1;
    entry.usesAtMs = nowMs;
    entry.usedAtMs = nowMs;
    enter(entry, { type: "begin" });
  }

  /** Resolves when it has begun. */
  function opened(entry: Kept, isInteractive: boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(reasonOf(signal));
    if (entry.waiters.size >= LIMIT.answersWaiting.max) {
      const text = `${entry.waiters.size} requests wait for ${entry.name} to be loaded`;
      return Promise.reject(new GantryError("busy", text));
    }
    return new Promise((resolve, reject) => {
      const end = (): void => {
        entry.waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => waiter.fail(reasonOf(signal));
      const waiter: Waiter = {
        sinceMs: clock.monotonic(),
        isInteractive,
        go() {
          end();
          begin(entry);
          resolve();
        },
        fail(error) {
          end();
          reject(error);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      entry.waiters.add(waiter);
      decide();
    });
  }

  // --- who is loaded ---

  /** Goes through all that are wanted, the longest wait first; called whenever anything has changed. */
  function decide(): void {
    if (isClosed) return;
    const wanted = [...kept.values()].filter(({ waiters }) => waiters.size > 0);
    for (const entry of wanted.toSorted((a, b) => oldestOf(a) - oldestOf(b))) {
      if (isOpen(entry.life)) for (const waiter of entry.waiters) waiter.go();
      else if (entry.life.kind === "failed" && entry.life.isFinal) failWaiters(entry, entry.error);
      else if (entry.life.kind === "absent" || entry.life.kind === "failed") tryLoad(entry, true);
    }
  }

  const oldestOf = ({ waiters }: Kept): number =>
    Math.min(...[...waiters].map(({ sinceMs }) => sinceMs));

  function bytesOf({ file }: Kept): number {
    const { slots = SLOTS_DEFAULT, contextTokens = CONTEXT_DEFAULT } = options;
    return estimateBytes(file, slots, Math.min(contextTokens, file.contextTokens ?? contextTokens));
  }

  /** MK2, MK3. Without `mayEvict` only where there is room. */
  function tryLoad(entry: Kept, mayEvict: boolean): void {
    const bytes = bytesOf(entry);
    if (!fitsEver(ledger, bytes)) return failWaiters(entry, tooLarge(entry, bytes));
    const ours = entry.isForCpu ? { ...ledger, capacity: onlyCpu(ledger) } : ledger;
    const device = reserve(ours, entry.key, bytes);
    if (device !== undefined) {
      enter(entry, { type: "load" });
      scope.start("load", (signal) => load(entry, device, signal));
      return;
    }
    if (mayEvict) makeRoom(entry, bytes);
  }

  function makeRoom(entry: Kept, bytes: number): void {
    const waitedMs = clock.monotonic() - oldestOf(entry);
    const isInteractive = [...entry.waiters].some((waiter) => waiter.isInteractive);
    for (const device of DEVICES) {
      if (bytes > (ledger.capacity[device] ?? 0)) continue;
      const here = [...kept.values()].filter(({ key }) => ledger.holds.get(key)?.device === device);
      const leaving = here.filter(({ life }) => isLeaving(life));
      const coming = leaving.reduce((sum, { key }) => sum + heldBytes(key), 0);
      const free = freeBytes(ledger, device) + coming;
      if (free >= bytes) return; // what was asked to go is on its way
      const residents = here.filter(({ life }) => life.kind === "ready").map(residentOf);
      const chosen = chooseEviction(residents, { bytes, waitedMs, isInteractive }, free);
      if (chosen === undefined) continue;
      for (const key of [...chosen.victims, ...chosen.drains]) evict(key, entry.name);
      return;
    }
  }

  function evict(key: string, by: string): void {
    const entry = [...kept.values()].find((each) => each.key === key);
    if (entry === undefined) return;
    const nowMs = clock.monotonic();
    entry.evictedAtMs = [...evictionsOf(entry, nowMs), nowMs];
    log.info({ model: entry.name, by }, "a model makes room");
    enter(entry, { type: "drain", isRestart: false });
  }

  const heldBytes = (key: string): number => ledger.holds.get(key)?.bytes ?? 0;

  function residentOf(entry: Kept): Resident {
    const nowMs = clock.monotonic();
    return {
      name: entry.key,
      bytes: heldBytes(entry.key),
      isPinned: pinned.has(entry.name),
      isBusy: isBusy(entry.life),
      residentMs: nowMs - entry.loadedAtMs,
      reloadMs: entry.loadMs,
      usesPerS: (usesOf(entry, nowMs) * Math.LN2) / USE_HALF_LIFE_S,
      evictionsLately: evictionsOf(entry, nowMs).length,
    };
  }

  async function load(entry: Kept, device: Device, signal: AbortSignal): Promise<void> {
    const { key, path, name } = entry;
    try {
      const model = await options.makeModel(path, name, device);
      entry.model = model;
      const { contextTokens, slots, memoryBytes, loadMs } = await model.ready(signal);
      const resident = await residentOfChild(model);
      measured(ledger, key, Math.max(memoryBytes, resident ?? heldBytes(key)));
      entry.baseBytes = resident ?? 0;
      entry.loadMs = loadMs;
      entry.loadedAtMs = clock.monotonic();
      entry.usedAtMs = entry.loadedAtMs;
      entry.error = undefined;
      const fact = { name, contextTokens, slots, sizeBytes: entry.file.sizeBytes };
      const isNews = JSON.stringify(fact) !== JSON.stringify(entry.fact);
      entry.fact = fact;
      enter(entry, { type: "loaded" });
      if (isNews) log.info({ model: name, device, contextTokens, slots }, "model offered");
      if (entry.isGone) enter(entry, { type: "drain", isRestart: false });
      else if (isNews) onChange();
    } catch (error) {
      await entry.model?.close().catch(() => {});
      entry.model = undefined;
      release(ledger, key);
      if (signal.aborted) return;
      loadFailed(entry, device, asGantryError(name, error));
    }
    decide();
  }

  function loadFailed(entry: Kept, device: Device, error: GantryError): void {
    log.warn({ model: entry.name, device, code: error.code }, "model not loaded");
    const isOfGpu = error.code === "out_of_memory" && device === "gpu";
    entry.isForCpu ||= isOfGpu;
    entry.error = error;
    enter(entry, { type: "failed", isFinal: error.code === "model_invalid" });
    if (!isOfGpu) failWaiters(entry, error);
    if (entry.life.kind === "failed" && entry.life.isFinal) onChange();
  }

  function giveUp(entry: Kept, error: GantryError): void {
    entry.error = error;
    enter(entry, { type: "failed", isFinal: true });
    scope.start("unload", () => unload(entry));
    failWaiters(entry, error);
    onChange();
  }

  /** MK2: the memory is free when the process is gone. */
  async function unload(entry: Kept): Promise<void> {
    const { model } = entry;
    entry.model = undefined;
    await model?.close();
    const isRestart = entry.life.kind === "unloading" && entry.life.next === "loading";
    release(ledger, entry.key);
    enter(entry, { type: "exited" });
    if (isRestart) {
      entry.life = ABSENT;
      tryLoad(entry, true);
    }
    decide();
  }

  function failWaiters(entry: Kept, error: GantryError | undefined): void {
    const reason = error ?? new GantryError("model_failed", `${entry.name} cannot be used`);
    for (const waiter of entry.waiters) waiter.fail(reason);
  }

  // --- what time brings ---

  async function lookAround(): Promise<void> {
    const nowMs = clock.monotonic();
    for (const entry of kept.values()) {
      if (entry.life.kind !== "ready") continue;
      const isIdle = options.idleMs > 0 && nowMs - entry.usedAtMs >= options.idleMs;
      if (isIdle && !isBusy(entry.life) && !pinned.has(entry.name))
        enter(entry, { type: "drain", isRestart: false }); // MK4
      else await watchGrowth(entry);
    }
  }

  /** MK5. */
  async function watchGrowth(entry: Kept): Promise<void> {
    const bytes = entry.model === undefined ? undefined : await residentOfChild(entry.model);
    const { baseBytes } = entry;
    if (bytes === undefined || baseBytes === 0) return;
    const ceiling = Math.max(baseBytes * GROWTH_MAX, baseBytes + GROWTH_MIN_BYTES);
    if (bytes <= ceiling) return;
    log.warn({ model: entry.name, bytes, ceiling }, "a model's process has grown; it is renewed");
    enter(entry, { type: "drain", isRestart: true });
  }

  const residentOfChild = async ({ state }: Model): Promise<number | undefined> =>
    state.kind === "ready" ? options.residentBytes(state.pid) : undefined;

  scope.start("models in time", async (signal) => {
    for (let sinceLookMs = 0; !signal.aborted; sinceLookMs += TICK_MS) {
      await clock.sleep(TICK_MS, signal).catch(() => {});
      if (sinceLookMs >= (options.lookMs ?? LOOK_MS)) {
        sinceLookMs = 0;
        await lookAround();
      }
      decide(); // waits have become longer
    }
  });

  async function hold(path: string, name: string): Promise<void> {
    await drop(path);
    let file: ModelFile;
    try {
      file = await options.readFile(path, scope.signal);
    } catch (error) {
      log.warn({ model: name, code: toErrorRecord(error).code }, "model not offered");
      return;
    }
    const nowMs = clock.monotonic();
    const entry: Kept = {
      key: `${name}#${(lastKey += 1)}`,
      path,
      name,
      file,
      sha256: await options.readHash?.(path),
      life: ABSENT,
      model: undefined,
      fact: undefined,
      error: undefined,
      isGone: false,
      waiters: new Set(),
      loadedAtMs: nowMs,
      loadMs: Math.max(1_000, (file.sizeBytes / DISK_BYTES_PER_S) * 1_000),
      baseBytes: 0,
      usedAtMs: nowMs,
      uses: 0,
      usesAtMs: nowMs,
      evictedAtMs: [],
      tokensPerS: undefined,
      prefillTokensPerS: undefined,
      isForCpu: false,
    };
    kept.set(path, entry);
    tryLoad(entry, false);
    if (entry.life.kind !== "absent") return; // offered when it is ready
    if (!fitsEver(ledger, bytesOf(entry))) {
      log.warn({ model: name, bytes: bytesOf(entry) }, "this model is too large for this machine");
      return;
    }
    const { slots = SLOTS_DEFAULT, contextTokens = CONTEXT_DEFAULT } = options;
    entry.fact = {
      name,
      contextTokens: Math.min(contextTokens, file.contextTokens ?? contextTokens),
      slots,
      sizeBytes: file.sizeBytes,
    };
    log.info({ model: name }, "model offered; it is loaded when it is asked for");
    onChange();
  }

  async function drop(path: string): Promise<void> {
    const entry = kept.get(path);
    if (entry === undefined) return;
    entry.isGone = true;
    kept.delete(path);
    onChange();
    failWaiters(entry, new GantryError("capability_missing", `${entry.name} is gone`));
    const { model } = entry;
    entry.model = undefined;
    await model?.close();
    release(ledger, entry.key);
    decide();
  }

  return {
    hold,
    drop,
    use,
    pin(names) {
      const isNew = [...names].filter((name) => !pinned.has(name));
      pinned = names;
      for (const entry of kept.values())
        if (isNew.includes(entry.name) && entry.life.kind === "absent") tryLoad(entry, false);
    },
    facts: () =>
      [...kept.values()].flatMap(({ fact, life }) =>
        fact === undefined || (life.kind === "failed" && life.isFinal) ? [] : [fact],
      ),
    fileOf(sha256) {
      const entry = [...kept.values()].find((each) => each.sha256 === sha256);
      return entry === undefined
        ? undefined
        : { path: entry.path, sizeBytes: entry.file.sizeBytes };
    },
    runtime: () => ({
      models: [...kept.values()].map((entry) => {
        const held = ledger.holds.get(entry.key);
        const { tokensPerS, prefillTokensPerS } = entry;
        return {
          name: entry.name,
          state: entry.life.kind,
          isPinned: pinned.has(entry.name),
          running: entry.model?.running ?? 0,
          waiting: entry.waiters.size + (entry.model?.waiting ?? 0),
          ...(held === undefined ? {} : { device: held.device, bytes: held.bytes }),
          sizeBytes: entry.file.sizeBytes,
          ...(entry.sha256 === undefined ? {} : { sha256: entry.sha256 }),
          ...(tokensPerS === undefined ? {} : { tokensPerS: rounded(tokensPerS) }),
          ...(prefillTokensPerS === undefined
            ? {}
            : { prefillTokensPerS: rounded(prefillTokensPerS) }),
          ...(entry.fact === undefined ? {} : { loadMs: Math.round(entry.loadMs) }),
        };
      }),
      memory: DEVICES.flatMap((device) => {
        const totalBytes = ledger.capacity[device];
        if (totalBytes === undefined) return [];
        return [{ device, totalBytes, freeBytes: freeBytes(ledger, device) }];
      }),
    }),
    note(name, { promptTokens, cachedTokens, completionTokens, firstTokenMs, totalMs }) {
      const entry = [...kept.values()].find((each) => each.name === name);
      if (entry === undefined) return;
      entry.tokensPerS = blend(entry.tokensPerS, completionTokens - 1, totalMs - firstTokenMs);
      const freshTokens = promptTokens - cachedTokens;
      if (freshTokens < PREFILL_TOKENS_MIN) return; // the first token of the answer would be all of it
      entry.prefillTokensPerS = blend(entry.prefillTokensPerS, freshTokens, firstTokenMs);
    },
    async close() {
      isClosed = true;
      const stopping = new GantryError("stopping", "This node is being stopped");
      for (const entry of kept.values()) failWaiters(entry, stopping);
      await Promise.all([...kept.values()].map(async ({ model }) => model?.close()));
    },
  };
}

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Tokens per second, the newest with a fifth of the weight. */
function blend(before: number | undefined, tokens: number, tookMs: number): number | undefined {
  if (tokens <= 0 || tookMs <= 0) return before;
  const now = (tokens * 1_000) / tookMs;
  return before === undefined ? now : 0.8 * before + 0.2 * now;
}

const isLeaving = (life: Life): boolean =>
  (life.kind === "draining" || life.kind === "unloading") && life.next === "absent";

const onlyCpu = ({ capacity: { cpu } }: MemoryLedger): MemoryLedger["capacity"] =>
  cpu === undefined ? {} : { cpu };

const usesOf = ({ uses, usesAtMs }: Kept, nowMs: number): number =>
  uses * 2 ** (-(nowMs - usesAtMs) / 1_000 / USE_HALF_LIFE_S);

const evictionsOf = ({ evictedAtMs }: Kept, nowMs: number): number[] =>
  evictedAtMs.filter((atMs) => nowMs - atMs < EVICTIONS_WINDOW_MS);

const tooLarge = ({ name }: Kept, bytes: number): GantryError =>
  new GantryError(
    "out_of_memory",
    `${name} needs ${Math.ceil(bytes / 1e6)} MB, more than this machine has for models`,
  );

const asGantryError = (name: string, error: unknown): GantryError =>
  error instanceof GantryError
    ? error
    : new GantryError("model_failed", `${name} could not be loaded`, { cause: error });
