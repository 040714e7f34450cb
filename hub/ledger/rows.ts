// The rows of the ledger in memory and below it. Pure: the ordered view of LevelDB comes in as a
// synchronous function, and what must go to disk is taken out as a batch.
//
//   hot    rows that decide something now (open jobs, tokens, flags ...): all in memory, and on disk
//          under `hot/TABLE/ID`, loaded at start.
//   cold   history (messages, ended jobs ...): on disk under `cold/TABLE/ID`, read when asked for.
//
// W1. A read sees every earlier write: memory, then what waits for the disk, then the disk.
// W2. A row is hot or cold, never both; `cool` moves it in one batch.
// W3. `takeBatch` hands out every change since the last one, with the position it is true for; they
//     reach the disk together or not at all.
// W4. Values are never changed in place: a new row replaces the old one.

import { assert } from "@gantry/shared/base/assert.ts";
import type {
  CacheRow,
  ConfirmationRow,
  ConversationRow,
  DeadlockRow,
  DeviceRow,
  FlagRow,
  HubRow,
  JobRow,
  JoinCodeRow,
  LockQueueRow,
  LockRow,
  MessageRow,
  NodeRow,
  PrintRow,
  QuestionRow,
  ReignRow,
  ReplayRow,
  SessionRow,
  SpendRow,
  TokenRow,
} from "@gantry/shared/contract/rows.ts";
import type {
  DefinitionRow,
  RunLineRow,
  RunPackRow,
  RunSumRow,
  TicketRow,
  TimelineRow,
  WorkflowRow,
} from "@gantry/shared/contract/run-rows.ts";
import type { QueueRow } from "@gantry/shared/contract/queues.ts";
import type { FiringRow, ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import type { DeadLetterRow, WebhookRow } from "@gantry/shared/contract/webhooks.ts";
import type { JournalRow, LedgerMeta } from "./journal.ts";
import type { AppliedPatch } from "../workflow/patches/patch-types.ts";
import type { LibraryHeadRow, LibraryPatchRow, LibraryTotalsRow } from "./library-row.ts";
import type { RecordedRow, RunRow } from "./run-row.ts";

/** Every table with the type of its rows. */
export interface Tables {
  readonly meta: LedgerMeta;
  /** `ledger`: the greatest time of all commands so far, ms since 1970. */
  readonly time: number;
  readonly reign: ReignRow;
  readonly hub: HubRow;
  readonly session: SessionRow;
  readonly lock: LockRow;
  readonly lockQueue: LockQueueRow;
  /** The last few, by a number that comes round. */
  readonly deadlock: DeadlockRow;
  readonly token: TokenRow;
  readonly joinCode: JoinCodeRow;
  readonly node: NodeRow;
  readonly device: DeviceRow;
  readonly job: JobRow;
  readonly queue: QueueRow;
  /** `QUEUE/KEY`: the job that an idempotency key made. */
  readonly jobKey: JobKeyRow;
  readonly print: PrintRow;
  readonly confirmation: ConfirmationRow;
  readonly question: QuestionRow;
  readonly schedule: ScheduleRow;
  /** `SCHEDULE/INSTANT`, or `SCHEDULE/run-POSITION` where a person ran it. */
  readonly firing: FiringRow;
  readonly webhook: WebhookRow;
  readonly deadLetter: DeadLetterRow;
  readonly flag: FlagRow;
  readonly spend: SpendRow;
  readonly conversation: ConversationRow;
  readonly message: MessageRow;
  readonly replay: ReplayRow;
  readonly cache: CacheRow;
  readonly workflow: WorkflowRow;
  readonly definition: DefinitionRow;
  /** `WORKFLOW/N`, from 1. */
  readonly libraryPatch: LibraryPatchRow;
  readonly libraryHead: LibraryHeadRow;
  readonly libraryTotals: LibraryTotalsRow;
  readonly run: RunRow;
  /** Of a run that is over. */
  readonly runLine: RunLineRow;
  /** `DAY/WORKFLOW/PERSON`. */
  readonly runSum: RunSumRow;
  /** By number, from 0. */
  readonly runPack: RunPackRow;
  /** `RUN/PLACE`: how the world answered, for replays. */
  readonly recorded: RecordedRow;
  readonly ticket: TicketRow;
  /** `RUN/N`, from 1. */
  readonly runPatch: AppliedPatch;
  /** `RUN/N`, from 0. */
  readonly timeline: TimelineRow;
  readonly journal: JournalRow;
  /** Positions in time: `jobs/N`, `prints/N`, `person/NAME/N` -> id of the N-th one made. */
  readonly order: string;
  /** How many `order` has under a name. */
  readonly count: number;
  /** What a question became: `question ID` -> id of the answer's message. */
  readonly answer: string;
}
export type TableName = keyof Tables;

export interface JobKeyRow {
  readonly job: string;
  readonly sha256: string;
  readonly atMs: number;
  /** Where the ring of keys holds it. */
  readonly slot: string;
}

/** Hears of each change of a table, in the turn in which it is made. Must not write. */
export interface RowsObserver<T extends TableName> {
  /** `hot`: undefined where it left memory; `cold`: how it went to the disk. */
  changed(id: string, hot: Tables[T] | undefined, cold: Tables[T] | undefined): void;
  /** All rows are others now. */
  reloaded(): void;
}

/** Synchronous read of the ordered store: the JSON text under a key. */
export type View = (key: string) => string | undefined;

/** One change for the disk; `row` undefined deletes. */
export interface RowChange {
  readonly key: string;
  readonly row: unknown;
}

export interface Rows {
  /** All hot rows of a table, in no particular order: it is another one after a restart. */
  hot<T extends TableName>(table: T): ReadonlyMap<string, Tables[T]>;
  get<T extends TableName>(table: T, id: string): Tables[T] | undefined;
  /** Writes a hot row. */
  put<T extends TableName>(table: T, id: string, row: Tables[T]): void;
  /** Writes a cold row; a hot one of the same id leaves memory (W2). */
  cool<T extends TableName>(table: T, id: string, row: Tables[T]): void;
  remove(table: TableName, id: string): void;
  /** One for each table; gives its end. */
  observe<T extends TableName>(table: T, observer: RowsObserver<T>): () => void;
  /** Changes since the last `takeBatch`. */
  readonly dirtyCount: number;
  /** How many writes were ever made: lets apply prove that a refused command made none. */
  readonly writes: number;
  /** W3. Call `batchStored` when it is on disk, before taking the next. */
  takeBatch(): readonly RowChange[];
  batchStored(): void;
  /** Every change that is not known to be on disk, by key: a copy; undefined stands for a deletion. */
  unstored(): ReadonlyMap<string, unknown>;
  /**
   * Everything under HOT_PREFIX as a snapshot left it takes the place of all rows, and every change
   * not yet on disk is forgotten: the snapshot holds it. Whoever holds these rows or a table of them
   * sees the new ones.
   */
  reload(hotRows: Iterable<readonly [string, unknown]>): void;
}

const hotKey = (table: TableName, id: string): string => `hot/${table}/${id}`;
const coldKey = (table: TableName, id: string): string => `cold/${table}/${id}`;

export const HOT_PREFIX = "hot/";
export const coldPrefix = (table: TableName): string => `cold/${table}/`;

/** `hotRows`: everything under HOT_PREFIX, as [key, row] in key order. */
export function makeRows(view: View, hotRows: Iterable<readonly [string, unknown]>): Rows {
  const tables = new Map<string, Map<string, unknown>>();
  let dirty = new Map<string, unknown>();
  let storing: Map<string, unknown> | undefined;
  let writes = 0;
  const observers = new Map<string, RowsObserver<never>>();
  const tell = (table: string, id: string, row: unknown, cold?: unknown): void =>
    observers.get(table)?.changed(id, row as never, cold as never); // of the table it observes

  function tableOf(table: string): Map<string, unknown> {
    let rows = tables.get(table);
    if (rows === undefined) {
      rows = new Map();
      tables.set(table, rows);
    }
    return rows;
  }

  function load(loaded: Iterable<readonly [string, unknown]>): void {
    for (const [key, row] of loaded) {
      const [, table = "", ...id] = key.split("/");
      tableOf(table).set(id.join("/"), row);
    }
  }
  load(hotRows);

  function write(key: string, row: unknown): void {
    dirty.set(key, row);
    writes += 1;
  }

  function readCold(key: string): unknown {
    if (dirty.has(key)) return dirty.get(key);
    if (storing?.has(key) === true) return storing.get(key);
    const text = view(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  return {
    hot: <T extends TableName>(table: T) => tableOf(table) as ReadonlyMap<string, Tables[T]>, // rows enter by put and by the same file's disk keys only
    get<T extends TableName>(table: T, id: string) {
      const row = tableOf(table).get(id) ?? readCold(coldKey(table, id));
      return row as Tables[T] | undefined;
    },
    put(table, id, row) {
      tableOf(table).set(id, row);
      write(hotKey(table, id), row);
      tell(table, id, row);
    },
    cool(table, id, row) {
      if (tableOf(table).delete(id)) write(hotKey(table, id), undefined);
      write(coldKey(table, id), row);
      tell(table, id, undefined, row);
    },
    remove(table, id) {
      if (tableOf(table).delete(id)) write(hotKey(table, id), undefined);
      else write(coldKey(table, id), undefined);
      tell(table, id, undefined);
    },
    observe(table, observer) {
      assert(!observers.has(table), "a table has one observer");
      observers.set(table, observer); // told of this table only
      return () => {
        if (observers.get(table) === observer) observers.delete(table);
      };
    },
    get dirtyCount() {
      return dirty.size;
    },
    get writes() {
      return writes;
    },
    takeBatch() {
      assert(storing === undefined, "W3: the batch before is not stored yet");
      storing = dirty;
      dirty = new Map();
      return [...storing].map(([key, row]) => ({ key, row }));
    },
    batchStored() {
      assert(storing !== undefined, "W3: no batch is being stored");
      storing = undefined;
    },
    unstored: () => new Map([...(storing ?? []), ...dirty]),
    reload(loaded) {
      for (const rows of tables.values()) rows.clear();
      dirty = new Map();
      storing = undefined;
      load(loaded);
      for (const observer of observers.values()) observer.reloaded();
    },
  };
}
