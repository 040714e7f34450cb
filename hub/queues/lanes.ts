// The lanes of one kind of taker: jobs that may start, by class, workspace and priority.
//
// LA1. Classes take turns by smooth weighted round robin, 16 : 4 : 1: high goes first, and low always
//      gets its turn. A class without a job spends no turn.
// LA2. Within a class workspaces take turns (deficit round robin: each job costs one, a workspace's
//      weight is its turns in a row): whoever queues a million jobs delays others by one turn.
// LA3. Within a workspace the greater priority goes first, then who came first.

import { goesFirst, type Item } from "./item.ts";
import { type Heap, makeHeap } from "./heap.ts";

export const CLASS_WEIGHTS: readonly number[] = [16, 4, 1];

interface Lane {
  readonly workspace: string;
  readonly heap: Heap<Item>;
  /** Turns it has left before the next workspace's. */
  deficit: number;
  next: Lane | undefined;
  before: Lane | undefined;
}

interface Ring {
  readonly lanes: Map<string, Lane>;
  /** Whose turn it is; a circle through `next`. */
  head: Lane | undefined;
  size: number;
  /** LA1. */
  credit: number;
}

export interface Lanes {
  readonly size: number;
  /** The first of every lane. */
  tops(): Iterable<Item>;
  add(item: Item): void;
  remove(item: Item): void;
  /** Who is next; taken out of its lane. `weightOf`: turns in a row of a workspace, 1 or more. */
  next(weightOf: (workspace: string) => number): Item | undefined;
  /** What `next` gave is not started after all: its class and workspace keep their turn. */
  undoTurn(item: Item): void;
}

export function makeLanes(): Lanes {
  const rings: readonly Ring[] = CLASS_WEIGHTS.map(() => ({
    lanes: new Map(),
    head: undefined,
    size: 0,
    credit: 0,
  }));
  let size = 0;
  const last = { credits: CLASS_WEIGHTS.map(() => 0), workspace: "", deficit: 0 };
  let hasLast = false;

  function link(ring: Ring, lane: Lane): void {
    const { head } = ring;
    if (head === undefined) {
      lane.next = lane;
      lane.before = lane;
      ring.head = lane;
      return;
    }
    const tail = head.before as Lane; // a circle
    lane.next = head;
    lane.before = tail;
    tail.next = lane;
    head.before = lane;
  }

  function unlink(ring: Ring, lane: Lane): void {
    ring.lanes.delete(lane.workspace);
    const { next, before } = lane as { next: Lane; before: Lane }; // a circle
    if (next === lane) ring.head = undefined;
    else {
      before.next = next;
      next.before = before;
      if (ring.head === lane) ring.head = next;
    }
    lane.next = undefined;
    lane.before = undefined;
  }

  const ringOf = (item: Item): Ring => rings[item.class] as Ring; // CLASS_INDEX

  function add(item: Item): void {
    const ring = ringOf(item);
    let lane = ring.lanes.get(item.workspace);
    if (lane === undefined) {
      lane = {
        workspace: item.workspace,
        heap: makeHeap(goesFirst),
        deficit: 0,
        next: undefined,
        before: undefined,
      };
      ring.lanes.set(item.workspace, lane);
      link(ring, lane);
    }
    item.place = "lane";
    lane.heap.push(item);
    ring.size += 1;
    size += 1;
  }

  /** LA1: the class with most credit; each that has jobs earns its weight, the chosen one pays all. */
  function chooseClass(): Ring | undefined {
    let best: Ring | undefined;
    let total = 0;
    for (let index = 0; index < rings.length; index += 1) {
      const ring = rings[index];
      if (ring === undefined || ring.size === 0) continue;
      const weight = CLASS_WEIGHTS[index] ?? 1;
      ring.credit += weight;
      total += weight;
      if (best === undefined || ring.credit > best.credit) best = ring;
    }
    if (best !== undefined) best.credit -= total;
    return best;
  }

  return {
    get size() {
      return size;
    },
    *tops() {
      for (const { lanes } of rings) {
        for (const { heap } of lanes.values()) {
          const top = heap.top();
          if (top !== undefined) yield top;
        }
      }
    },
    add,
    remove(item) {
      const ring = ringOf(item);
      const lane = ring.lanes.get(item.workspace) as Lane; // it is in it
      lane.heap.remove(item);
      ring.size -= 1;
      size -= 1;
      if (lane.heap.size === 0) unlink(ring, lane);
      if (ring.size === 0) ring.credit = 0;
    },
    next(weightOf) {
      for (let index = 0; index < rings.length; index += 1) {
        last.credits[index] = rings[index]?.credit ?? 0;
      }
      const ring = chooseClass();
      const lane = ring?.head;
      if (ring === undefined || lane === undefined) return undefined;
      hasLast = true;
      last.workspace = lane.workspace;
      last.deficit = lane.deficit;
      if (lane.deficit < 1) lane.deficit += Math.max(1, Math.floor(weightOf(lane.workspace)));
      const item = lane.heap.pop() as Item; // a lane in the ring has jobs
      ring.size -= 1;
      size -= 1;
      lane.deficit -= 1;
      if (lane.heap.size === 0) unlink(ring, lane);
      else if (lane.deficit < 1) ring.head = lane.next; // LA2
      if (ring.size === 0) ring.credit = 0;
      return item;
    },
    undoTurn(item) {
      if (!hasLast) return;
      rings.forEach((ring, index) => {
        ring.credit = ring.size === 0 ? 0 : (last.credits[index] ?? 0);
      });
      const ring = ringOf(item);
      const lane = ring.lanes.get(last.workspace);
      if (lane === undefined) return;
      lane.deficit = last.deficit;
      ring.head = lane;
    },
  };
}
