// One node and one edge of a drawn graph.

import type { Point } from "../core/graph-layout.ts";
import type { RunNodeState, TopNode } from "../core/run-graph.ts";
import { signPath } from "./run-sign.tsx";

/** In the units of the drawing, which are CSS pixels at scale 1. */
export const NODE = { width: 196, height: 56 } as const;
/** Room for words beside the sign; longer ones are squeezed, then cut off. Characters that fit. */
const WORDS = { x: 42, width: NODE.width - 50, nameMax: 18, noteMax: 26 } as const;

/** Room for a letter of the mark of a patch, in the widest of the fonts of tokens.css. */
const LETTER = 8;

export interface EdgeFacts {
  readonly from: string;
  readonly to: string;
  readonly on: string | undefined;
  /** It was gone along. */
  readonly isTaken: boolean;
  readonly isPatched: boolean;
}

export interface GraphNodeProps {
  readonly top: TopNode;
  readonly at: Point;
  readonly isChosen: boolean;
  readonly isEntry: boolean;
  readonly showsPatches: boolean;
  readonly onChoose: () => void;
}

export function GraphNode({ top, at, isChosen, isEntry, showsPatches, onChoose }: GraphNodeProps) {
  const { id, node, inside, patches } = top;
  const isMarked = showsPatches && patches.length > 0;
  const marks = patches.length === 1 ? `patch ${patches[0]}` : `patches ${patches.join(", ")}`;
  const folded = inside === undefined ? "" : foldedWords(inside.items, node.type);
  const note = noteOf(node.type, node.state, node.attempt, folded);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onChoose();
  };
  return (
    <g
      class={`node is-${node.state} ${isChosen ? "chosen" : ""} ${isMarked ? "patched" : ""}`}
      transform={`translate(${at.x - NODE.width / 2} ${at.y - NODE.height / 2})`}
      role="button"
      tabindex={isEntry ? 0 : -1}
      aria-pressed={isChosen}
      aria-label={isMarked ? `${id} ${note} ${marks}` : `${id} ${note}`}
      data-node={id}
      onClick={onChoose}
      onKeyDown={onKeyDown}
    >
      {inside !== undefined && (
        <rect class="node-fold" x={5} y={5} width={NODE.width} height={NODE.height} rx={8} />
      )}
      <rect class="node-box" width={NODE.width} height={NODE.height} rx={8} />
      <path class="node-sign" d={signPath(node.state)} transform="translate(12 19) scale(1.15)" />
      <svg x={WORDS.x} width={WORDS.width} height={NODE.height}>
        <text class="node-name" y={24} {...squeezed(id, WORDS.nameMax)}>
          {`${id} `}
        </text>
        <text class="node-note" y={43} {...squeezed(note, WORDS.noteMax)}>
          {`${note} `}
        </text>
      </svg>
      {isMarked && (
        <g transform={`translate(${NODE.width - 8} 0)`} class="node-patch">
          <rect
            x={-LETTER * marks.length - 7}
            y={-9}
            width={LETTER * marks.length + 14}
            height={18}
            rx={9}
          />
          <text x={0} y={4} text-anchor="end">
            {marks}
          </text>
        </g>
      )}
    </g>
  );
}

/** Up to a quarter more than fits; what is longer than that runs out of the window of the words. */
const squeezed = (text: string, most: number) =>
  text.length > most && text.length <= most * 1.25
    ? { textLength: WORDS.width, lengthAdjust: "spacingAndGlyphs" as const }
    : {};

export const foldedWords = (items: number, type: string): string => {
  const noun = type === "loop" ? "round" : "item";
  return `${items} ${noun}${items === 1 ? "" : "s"}`;
};

function noteOf(type: string, state: RunNodeState, attempt: number, folded: string): string {
  const tries = attempt > 1 ? `try ${attempt}` : "";
  return [state, type, folded, tries].filter((part) => part !== "").join(" · ");
}

export interface GraphEdgeProps {
  readonly edge: EdgeFacts;
  /** In flow coordinates. */
  readonly way: readonly Point[];
  readonly isDown: boolean;
  readonly isMarked: boolean;
}

export function GraphEdge({ edge, way, isDown, isMarked }: GraphEdgeProps) {
  if (way.length < 2) return null;
  const { on, isTaken } = edge;
  const look = `edge ${isTaken ? "taken" : ""} ${isMarked ? "patched" : ""}`;
  const middle = labelPoint(way, isDown);
  return (
    <g class={look}>
      <path d={curve(way, isDown)} marker-end="url(#tip)" />
      {on !== undefined && (
        <text x={middle.x} y={middle.y} text-anchor="middle">
          {on}
        </text>
      )}
    </g>
  );
}

const turn = ({ x, y }: Point, isDown: boolean): Point => (isDown ? { x: y, y: x } : { x, y });

/** Beside the end of the edge's first stretch, where edges of one node are apart. */
function labelPoint(way: readonly Point[], isDown: boolean): Point {
  const [a = { x: 0, y: 0 }, b = a] = way;
  const share = 0.5;
  const { x, y } = turn({ x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share }, isDown);
  return { x, y: y - 6 };
}

const text = ({ x, y }: Point): string => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** Leaves and arrives along the flow. */
function curve(way: readonly Point[], isDown: boolean): string {
  const at = (point: Point): string => text(turn(point, isDown));
  const [first, ...rest] = way;
  if (first === undefined) return "";
  let path = `M${at(first)}`;
  let from = first;
  for (const to of rest) {
    const half = Math.max(Math.abs(to.x - from.x) / 2, 12);
    path += `C${at({ x: from.x + half, y: from.y })} ${at({ x: to.x - half, y: to.y })} ${at(to)}`;
    from = to;
  }
  return path;
}
