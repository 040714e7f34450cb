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
import type { FarmPrinterRow, SpoolRow, TallyRow } from "@gantry/shared/contract/farm.ts";
import type { AgentTurnRow, ToolApprovalRow } from "@gantry/shared/contract/agents.ts";
import type { BudgetRow, BudgetUseRow, ReservationRow } from "@gantry/shared/contract/money.ts";
import type { GoalRow, StandingRow } from "@gantry/shared/contract/goals.ts";
import type { ArtifactRow } from "@gantry/shared/contract/artifacts.ts";
import type {
  CacheBarRow,
  DocumentRow,
  KnowledgeRow,
  MemoryRow,
} from "@gantry/shared/contract/memory.ts";
import type { ResponseRow } from "@gantry/shared/contract/responses.ts";
import type { FleetCheckRow, FoundRow } from "@gantry/shared/contract/workshop.ts";
import type { QueueRow } from "@gantry/shared/contract/queues.ts";
import type { FiringRow, ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import type { DeadLetterRow, WebhookRow } from "@gantry/shared/contract/webhooks.ts";
import type { JournalRow, LedgerMeta } from "./journal.ts";
import type { AppliedPatch } from "../workflow/patches/patch-types.ts";
import type { LibraryHeadRow, LibraryPatchRow, LibraryTotalsRow } from "./library-row.ts";
import type { Json } from "../workflow/json-value.ts";
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
  readonly farmPrinter: FarmPrinterRow;
  readonly spool: SpoolRow;
  /** By the key of what was found. */
  readonly found: FoundRow;
  /** By a number that comes round. */
  readonly fleetCheck: FleetCheckRow;
  /** Hot for printers and materials, cold for files. */
  readonly tally: TallyRow;
  readonly confirmation: ConfirmationRow;
  readonly question: QuestionRow;
  /** Hot until it has ended. */
  readonly agentTurn: AgentTurnRow;
  readonly toolApproval: ToolApprovalRow;
  readonly schedule: ScheduleRow;
  /** `SCHEDULE/INSTANT`, or `SCHEDULE/run-POSITION` where a person ran it. */
  readonly firing: FiringRow;
  readonly webhook: WebhookRow;
  readonly deadLetter: DeadLetterRow;
  readonly flag: FlagRow;
  readonly spend: SpendRow;
  readonly budget: BudgetRow;
  /** `SCOPE|PERIOD`. */
  readonly budgetUse: BudgetUseRow;
  /** Until it is settled. */
  readonly reservation: ReservationRow;
  readonly conversation: ConversationRow;
  readonly message: MessageRow;
  readonly replay: ReplayRow;
  readonly cache: CacheRow;
  readonly response: ResponseRow;
  /** By a digest of two questions that are not alike whatever their vectors say. */
  readonly cacheBar: CacheBarRow;
  readonly memory: MemoryRow;
  readonly knowledge: KnowledgeRow;
  /** `KNOWLEDGE/PATH`. */
  readonly document: DocumentRow;
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
  /** Hot while it is open. */
  readonly goal: GoalRow;
  /** By job. */
  readonly standing: StandingRow;
  readonly artifact: ArtifactRow;
  /** Of one of kind `value`, unless the run holds it as a blob. */
  readonly artifactValue: { readonly value: Json };
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

export const HOT_PREFIX = "hot/";
export const coldPrefix = (table: TableName): string => `cold/${table}/`;

/** A table, and what of it has changed; undefined stands for a deletion. Keys are made when it is stored. */
interface Table {
  readonly hot: Map<string, unknown>;
  dirtyHot: Map<string, unknown>;
  dirtyCold: Map<string, unknown>;
  storingHot: ReadonlyMap<string, unknown>;
  storingCold: ReadonlyMap<string, unknown>;
  /** Hot rows that the disk has or is being given: any other that goes leaves nothing to delete there. */
  readonly stored: Set<string>;
  observer: RowsObserver<never> | undefined;
}

const NONE: ReadonlyMap<string, unknown> = new Map();

const emptyTable = (): Table => ({
  hot: new Map(),
  dirtyHot: new Map(),
  dirtyCold: new Map(),
  storingHot: NONE,
  storingCold: NONE,
  stored: new Set(),
  observer: undefined,
});

/** `hotRows`: everything under HOT_PREFIX, as [key, row] in key order. */
export function makeRows(view: View, hotRows: Iterable<readonly [string, unknown]>): Rows {
  const tables = new Map<string, Table>();
  let isStoring = false;
  let dirtyCount = 0;
  let writes = 0;

  function tableOf(name: string): Table {
    let table = tables.get(name);
    if (table === undefined) {
      table = emptyTable();
      tables.set(name, table);
    }
    return table;
  }

  function load(loaded: Iterable<readonly [string, unknown]>): void {
    for (const [key, row] of loaded) {
      const [, name = "", ...rest] = key.split("/");
      const table = tableOf(name);
      const id = rest.join("/");
      table.hot.set(id, row);
      table.stored.add(id);
    }
  }
  load(hotRows);

  function write(dirty: Map<string, unknown>, id: string, row: unknown): void {
    const before = dirty.size;
    dirty.set(id, row);
    dirtyCount += dirty.size - before;
    writes += 1;
  }

  /** True if there was such a row. */
  function leave({ hot, dirtyHot, stored }: Table, id: string): boolean {
    if (hot.size === 0 || !hot.delete(id)) return false;
    if (stored.has(id)) write(dirtyHot, id, undefined);
    else {
      if (dirtyHot.delete(id)) dirtyCount -= 1;
      writes += 1;
    }
    return true;
  }

  function readCold({ dirtyCold, storingCold }: Table, name: string, id: string): unknown {
    if (dirtyCold.size > 0 && dirtyCold.has(id)) return dirtyCold.get(id);
    if (storingCold.size > 0 && storingCold.has(id)) return storingCold.get(id);
    const text = view(`cold/${name}/${id}`);
    return text === undefined ? undefined : JSON.parse(text);
  }

  // Rows enter by put and cool, and by the same file's disk keys only: they are of their table's type.
  const told = (observer: Table["observer"], id: string, hot: unknown, cold: unknown): void =>
    observer?.changed(id, hot as never, cold as never);

  return {
    hot: <T extends TableName>(name: T) => tableOf(name).hot as ReadonlyMap<string, Tables[T]>,
    get<T extends TableName>(name: T, id: string) {
      const table = tableOf(name);
      return (table.hot.get(id) ?? readCold(table, name, id)) as Tables[T] | undefined;
    },
    put(name, id, row) {
      const table = tableOf(name);
      table.hot.set(id, row);
      write(table.dirtyHot, id, row);
      told(table.observer, id, row, undefined);
    },
    cool(name, id, row) {
      const table = tableOf(name);
      leave(table, id);
      write(table.dirtyCold, id, row);
      told(table.observer, id, undefined, row);
    },
    remove(name, id) {
      const table = tableOf(name);
      if (!leave(table, id)) write(table.dirtyCold, id, undefined);
      told(table.observer, id, undefined, undefined);
    },
    observe<T extends TableName>(name: T, observer: RowsObserver<T>) {
      const table = tableOf(name);
      assert(table.observer === undefined, "a table has one observer");
      const mine = observer as RowsObserver<never>; // told of this table only
      table.observer = mine;
      return () => {
        if (table.observer === mine) table.observer = undefined;
      };
    },
    get dirtyCount() {
      return dirtyCount;
    },
    get writes() {
      return writes;
    },
    takeBatch() {
      assert(!isStoring, "W3: the batch before is not stored yet");
      isStoring = true;
      const changes: RowChange[] = [];
      for (const [name, table] of tables) {
        for (const [id, row] of table.dirtyHot) {
          changes.push({ key: `hot/${name}/${id}`, row });
          if (row === undefined) table.stored.delete(id);
          else table.stored.add(id);
        }
        for (const [id, row] of table.dirtyCold) changes.push({ key: `cold/${name}/${id}`, row });
        if (table.dirtyHot.size > 0) {
          table.storingHot = table.dirtyHot;
          table.dirtyHot = new Map();
        }
        if (table.dirtyCold.size > 0) {
          table.storingCold = table.dirtyCold;
          table.dirtyCold = new Map();
        }
      }
      dirtyCount = 0;
      return changes;
    },
    batchStored() {
      assert(isStoring, "W3: no batch is being stored");
      isStoring = false;
      for (const table of tables.values()) {
        table.storingHot = NONE;
        table.storingCold = NONE;
      }
    },
    unstored() {
      const all = new Map<string, unknown>();
      for (const [name, table] of tables) {
        for (const [id, row] of table.storingHot) all.set(`hot/${name}/${id}`, row);
        for (const [id, row] of table.storingCold) all.set(`cold/${name}/${id}`, row);
        for (const [id, row] of table.dirtyHot) all.set(`hot/${name}/${id}`, row);
        for (const [id, row] of table.dirtyCold) all.set(`cold/${name}/${id}`, row);
      }
      return all;
    },
    reload(loaded) {
      for (const table of tables.values()) {
        table.hot.clear();
        table.stored.clear();
        table.dirtyHot = new Map();
        table.dirtyCold = new Map();
        table.storingHot = NONE;
        table.storingCold = NONE;
      }
      dirtyCount = 0;
      isStoring = false;
      load(loaded);
      for (const { observer } of tables.values()) observer?.reloaded();
    },
  };
}
