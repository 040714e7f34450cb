// A run while it is changed: frames are copied when they are first touched, and what is not touched is
// shared with the run before (EN1).

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Fuel } from "./cel/fuel.ts";
import {
  type Effect,
  type Fault,
  type Frame,
  isOver,
  type More,
  type NamedValue,
  NODE,
  type RunPhase,
  type RunState,
} from "./engine-types.ts";
import type { Json, JsonObject } from "./json-value.ts";
import type { Body, Plan, PlanNode } from "./plan.ts";
import type { Sight } from "./scope.ts";

interface DraftFrame extends Frame {
  readonly state: number[];
  readonly attempt: number[];
  readonly output: Json[];
  more: Record<string, More>;
  open: number;
}

/** A frame that may be changed, and where it is. */
export interface Cell extends Sight {
  readonly frame: DraftFrame;
  readonly around: Cell | null;
  /** Changes only when the run's graph is patched. */
  body: Body;
  /** Of the map or loop in `around` whose body this is; -1 for the root. */
  readonly index: number;
  /** The item or round. */
  readonly key: number;
  /** Of every place in it: "", "each[3]/". */
  readonly prefix: string;
  ownsMore: boolean;
}

interface DraftRun extends RunState {
  state: RunPhase;
  revision: number;
  graph: string;
  undo: readonly string[];
  ending: "failed" | "cancelled" | null;
  fault: Fault | null;
  frames: number;
  retries: number;
  output: Json;
  endedMs: number | null;
}

/** One `advance`. */
export interface Work {
  readonly plan: Plan;
  readonly run: DraftRun;
  readonly root: Cell;
  /** Of the bodies, by prefix; made when first needed. */
  cells: Map<string, Cell> | undefined;
  readonly nowMs: number;
  readonly effects: Effect[];
  /** Made when the first is named: most runs name none. */
  named: NamedValue[] | undefined;
  /** Nodes that may be able to move. */
  readonly agenda: { readonly cell: Cell; readonly index: number }[];
  readonly fuel: Fuel;
  /** Results and frames that were copied in this `advance`, and may be written to. */
  own: Set<object> | undefined;
}

export function beginWork(plan: Plan, run: RunState, nowMs: number): Work {
  const root = rootCell(plan.root, run.root);
  return {
    plan,
    run: { ...run, root: root.frame },
    root,
    cells: undefined,
    nowMs,
    effects: [],
    named: undefined,
    agenda: [],
    fuel: { left: LIMIT.runSteps.max },
    own: undefined,
  };
}

const rootCell = (body: Body, frame: Frame): Cell => ({
  frame: copyOf(frame),
  around: null,
  body,
  index: -1,
  key: 0,
  prefix: "",
  ownsMore: false,
});

const copyOf = (frame: Frame): DraftFrame => ({
  state: frame.state.slice(),
  attempt: frame.attempt.slice(),
  output: frame.output.slice(),
  more: frame.more,
  open: frame.open,
  base: frame.base,
  vars: frame.vars,
});

export function newFrame(body: Body, vars: JsonObject, base: number): Frame {
  const count = body.nodes.length;
  return {
    state: listOf<number>(count, NODE.pending),
    attempt: listOf(count, base),
    output: listOf<Json>(count, null),
    more: {},
    open: body.flow,
    base,
    vars,
  };
}

/** Array.from takes a call for each. */
function listOf<T>(count: number, each: T): T[] {
  const list: T[] = [];
  for (let at = 0; at < count; at += 1) list.push(each);
  return list;
}

export const nodeOf = (cell: Cell, index: number): PlanNode => {
  const node = cell.body.nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`); // indexes are the plan's own
  return node;
};

export const placeOf = (cell: Cell, index: number): string => cell.prefix + nodeOf(cell, index).id;

const NONE: More = {};

/** `constructor` is a node id like any other (JV1). */
export const moreIn = (frame: Frame, id: string): More =>
  Object.hasOwn(frame.more, id) ? (frame.more[id] ?? NONE) : NONE;

export const moreOf = (cell: Cell, id: string): More => moreIn(cell.frame, id);

export function setMore(cell: Cell, id: string, more: More | undefined): void {
  if (!cell.ownsMore) {
    cell.frame.more = { ...cell.frame.more };
    cell.ownsMore = true;
  }
  if (more === undefined) delete cell.frame.more[id];
  else cell.frame.more[id] = more;
}

/** The cell of an item or round that has a frame; else undefined. */
export function cellIn(work: Work, around: Cell, index: number, key: number): Cell | undefined {
  const { id, body } = nodeOf(around, index);
  const frame = moreOf(around, id).frames?.[key];
  if (frame === undefined || body === undefined) return undefined;
  const prefix = `${around.prefix}${id}[${key}]/`;
  const known = work.cells?.get(prefix);
  if (known !== undefined && known.frame === frame) return known;
  return putCell(work, { around, index, key, prefix, body, frame: copyOf(frame), ownsMore: false });
}

/** A new frame for an item or round. */
export function openCell(
  work: Work,
  around: Cell,
  index: number,
  key: number,
  vars: JsonObject,
): Cell {
  const { id, body } = nodeOf(around, index);
  if (body === undefined) throw new Error(`${id} has no body`); // only maps and loops ask
  const frame = copyOf(newFrame(body, vars, work.run.retries * RETRY_STRIDE));
  const prefix = `${around.prefix}${id}[${key}]/`;
  work.run.frames += 1;
  return putCell(work, { around, index, key, prefix, body, frame, ownsMore: true });
}

/** More than the attempts at any one node between two retries by hand. */
const RETRY_STRIDE = 1_000;

function putCell(work: Work, cell: Cell): Cell {
  const { around, index, key, prefix } = cell;
  if (around !== null) {
    const { id } = nodeOf(around, index);
    const more = moreOf(around, id);
    const frames = ownFrames(work, more.frames);
    frames[key] = cell.frame;
    setMore(around, id, { ...more, frames });
  }
  work.cells ??= new Map();
  work.cells.set(prefix, cell);
  return cell;
}

/** Frames with something to undo stay until the run is over. */
export function closeCell(work: Work, cell: Cell): void {
  const { around, index, key, prefix, body } = cell;
  if (around === null || body.hasUndo) return;
  const { id } = nodeOf(around, index);
  const more = moreOf(around, id);
  const frames = ownFrames(work, more.frames);
  delete frames[key];
  setMore(around, id, { ...more, frames });
  work.cells?.delete(prefix);
}

/** Frames of a map or loop that are not over, in order. */
export function openCells(work: Work, around: Cell, index: number): readonly Cell[] {
  const { id } = nodeOf(around, index);
  return Object.entries(moreOf(around, id).frames ?? {})
    .filter(([, frame]) => frame.open > 0)
    .flatMap(([key]) => cellIn(work, around, index, Number(key)) ?? []);
}

/** How what begins says that it is over at once. */
export interface Ending {
  readonly done: (work: Work, cell: Cell, index: number, output: Json) => void;
  readonly failed: (work: Work, cell: Cell, index: number, fault: Fault) => void;
}

/** It is neither over nor about to be. */
export const isLive = ({ run }: Work): boolean =>
  (run.state === "running" || run.state === "paused") && run.ending === null;

/** A map of ten thousand items does not copy its lists ten thousand times in one go. */
function owned<T extends object>(work: Work, value: T, copy: (value: T) => T): T {
  if (work.own?.has(value) === true) return value;
  const made = copy(value);
  work.own ??= new Set();
  work.own.add(made);
  return made;
}

export function withResult(
  work: Work,
  results: readonly Json[],
  at: number,
  result: Json,
): readonly Json[] {
  const made = owned(work, results as Json[], (list) => list.slice()); // the run's own is copied
  made[at] = result;
  return made;
}

type Frames = Record<number, Frame>;

const ownFrames = (work: Work, frames: Readonly<Frames> = {}): Frames =>
  owned(work, frames, (before) => ({ ...before }));

export interface Spot {
  readonly cell: Cell;
  readonly index: number;
}

const SEGMENT = /^(.+)\[(\d{1,7})\]$/;

/** Where a place is; undefined if there is no such node or frame. */
export function spotOf(work: Work, place: string): Spot | undefined {
  let cell = work.root;
  let rest = place;
  for (let slash = rest.indexOf("/"); slash >= 0; slash = rest.indexOf("/")) {
    const [, id, key] = SEGMENT.exec(rest.slice(0, slash)) ?? [];
    const index = cell.body.indexOf.get(id ?? "");
    const inner = index === undefined ? undefined : cellIn(work, cell, index, Number(key));
    if (inner === undefined) return undefined;
    cell = inner;
    rest = rest.slice(slash + 1);
  }
  const index = cell.body.indexOf.get(rest);
  return index === undefined ? undefined : { cell, index };
}

export const stateAt = ({ frame }: Cell, index: number): number =>
  frame.state[index] ?? NODE.pending;

/**
 * Nothing about it counts any more: it is over, or its graph is, and what is unknown in that stays so.
 * Undo nodes live on.
 */
export const isDeadAt = (cell: Cell, index: number): boolean =>
  isOverAt(cell, index) || (cell.frame.open === 0 && !nodeOf(cell, index).isUndo);

export const isOverAt = (cell: Cell, index: number): boolean => isOver(stateAt(cell, index));
