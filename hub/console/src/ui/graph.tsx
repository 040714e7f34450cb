// A run's graph as a drawing that can be moved: by wheel, fingers, buttons and keys.
//
//   W1. The window has one size whatever is drawn, and moves only when a person moves it.
//   W2. The wheel belongs to the page until a person is in the graph (focus) or holds Ctrl.
//   W3. One node can be reached by Tab; arrows go on from it, so that a large graph is no trap.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { layOut, type Layout, type Point } from "../core/graph-layout.ts";
import { fit, moved, open, showing, type Size, type View, zoomed } from "../core/graph-view.ts";
import { isActive, type TopNode } from "../core/run-graph.ts";
import { GraphEdge, type EdgeFacts, GraphNode, NODE } from "./graph-parts.tsx";
import { Button } from "./parts.tsx";

export interface GraphProps {
  readonly nodes: readonly TopNode[];
  readonly edges: readonly EdgeFacts[];
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
  readonly showsPatches: boolean;
}

/** Below this width, in CSS pixels, the graph runs down instead of to the right. */
const NARROW = 600;
const STEP = 1.25;

export function Graph({ nodes, edges, chosen, onChoose, showsPatches }: GraphProps) {
  const frame = useRef<HTMLDivElement>(null);
  const box = useBox(frame);
  const isDown = box !== undefined && box.width < NARROW;
  const shape = JSON.stringify([
    nodes.map(({ id }) => id),
    edges.map(({ from, to }) => [from, to]),
  ]);
  const layout = useMemo(
    () =>
      layOut(
        nodes.map(({ id }) => id),
        edges,
        measures(isDown),
      ), // G4: the states play no part
    [shape, isDown],
  );
  const drawing = turned({ width: layout.length, height: layout.breadth }, isDown);
  const at = (id: string): Point => turnedPoint(layout.nodes.get(id), isDown);
  const [view, setView] = useState<View>();
  const isOpen = view !== undefined;
  useEffect(() => {
    if (box === undefined) return;
    const first = nodes.find(({ node }) => isActive(node.state) || node.state === "failed");
    setView(open(drawing, box, at(chosen ?? first?.id ?? layout.layers[0]?.[0] ?? "")));
  }, [box === undefined, isDown]);
  useEffect(() => {
    if (chosen === undefined || !layout.nodes.has(chosen)) return;
    setView((now) => now && box && showing(now, at(chosen), NODE, box));
  }, [chosen, isOpen]);
  const byHand = useHands(frame, drawing, box, setView);
  const [focus, setFocus] = useState<string>();
  const entry = focus ?? chosen ?? layout.layers[0]?.[0];
  const zoom = (factor: number): void =>
    setView((now) => now && box && zoomed(now, factor, { x: box.width / 2, y: box.height / 2 }));
  const whole = (): void => setView(box && fit(drawing, box));
  const go = (id: string | undefined): void => {
    if (id === undefined) return;
    setFocus(id);
    setView((now) => now && box && showing(now, at(id), NODE, box));
    frame.current?.querySelector<SVGElement>(`[data-node="${CSS.escape(id)}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { "+": STEP, "=": STEP, "-": 1 / STEP }[event.key];
    const turn = isDown ? DOWN[event.key] : RIGHT[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (by !== undefined) zoom(by);
    else if (event.key === "0") whole();
    else if (turn !== undefined && entry !== undefined) go(beside(layout, entry, turn));
    else return;
    event.preventDefault();
  };
  return (
    <div class="graph">
      <div class="row graph-tools" role="group" aria-label="Zoom">
        <Button aria-label="Zoom in" onClick={() => zoom(STEP)}>
          +
        </Button>
        <Button aria-label="Zoom out" onClick={() => zoom(1 / STEP)}>
          −
        </Button>
        <Button onClick={whole}>Show all</Button>
        <span class="faint wide-only">
          Drag to move. Click the graph, then turn the wheel. Arrows, + and − work, too.
        </span>
      </div>
      <div class="graph-frame" ref={frame} tabIndex={-1} onKeyDown={onKeyDown} {...byHand}>
        <svg
          role="group"
          aria-label={`Graph with ${nodes.length} nodes`}
          width="100%"
          height="100%"
        >
          <defs>
            <marker
              id="tip"
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerWidth="7"
              markerHeight="7"
              orient="auto"
            >
              <path d="M0 0.5L7.5 4L0 7.5z" class="graph-tip" />
            </marker>
          </defs>
          {view !== undefined && (
            <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
              {edges.map((edge, index) => (
                <GraphEdge
                  key={`${edge.from}>${edge.to}>${edge.on}`}
                  edge={edge}
                  way={layout.links[index] ?? []}
                  isDown={isDown}
                  isMarked={showsPatches && edge.isPatched}
                />
              ))}
              {nodes.map((top) => (
                <GraphNode
                  key={top.id}
                  top={top}
                  at={at(top.id)}
                  isChosen={top.id === chosen}
                  isEntry={top.id === entry}
                  showsPatches={showsPatches}
                  onChoose={() => {
                    setFocus(top.id);
                    onChoose(top.id);
                  }}
                />
              ))}
            </g>
          )}
        </svg>
      </div>
    </div>
  );
}

const turned = ({ width, height }: Size, isDown: boolean): Size =>
  isDown ? { width: height, height: width } : { width, height };

const turnedPoint = (point: Point | undefined, isDown: boolean): Point => {
  const { x, y } = point ?? { x: 0, y: 0 };
  return isDown ? { x: y, y: x } : { x, y };
};

const measures = (isDown: boolean) => ({
  node: isDown
    ? { length: NODE.height, breadth: NODE.width }
    : { length: NODE.width, breadth: NODE.height },
  layerGap: isDown ? 40 : 64,
  laneGap: 20,
});

type Turn = "back" | "on" | "less" | "more";
const RIGHT: Readonly<Record<string, Turn>> = {
  ArrowLeft: "back",
  ArrowRight: "on",
  ArrowUp: "less",
  ArrowDown: "more",
};
const DOWN: Readonly<Record<string, Turn>> = {
  ArrowUp: "back",
  ArrowDown: "on",
  ArrowLeft: "less",
  ArrowRight: "more",
};

/** The node next to it: in its layer, or the nearest in the layer before or after. */
function beside({ layers, nodes }: Layout, id: string, turn: Turn): string | undefined {
  const layer = layers.findIndex((ids) => ids.includes(id));
  const place = layers[layer]?.indexOf(id) ?? 0;
  if (turn === "less") return layers[layer]?.[place - 1];
  if (turn === "more") return layers[layer]?.[place + 1];
  const y = nodes.get(id)?.y ?? 0;
  const away = (other: string): number => Math.abs((nodes.get(other)?.y ?? 0) - y);
  const others = layers[layer + (turn === "on" ? 1 : -1)] ?? [];
  return others.toSorted((a, b) => away(a) - away(b))[0];
}

function useBox(frame: { readonly current: HTMLElement | null }): Size | undefined {
  const [box, setBox] = useState<Size>();
  useEffect(() => {
    if (frame.current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      const { width, height } = entry.contentRect;
      setBox({ width, height });
    });
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return box;
}

/** Less than this is a click, not a drag. CSS pixels. */
const DRAG_MIN = 4;

function useHands(
  frame: { readonly current: HTMLElement | null },
  drawing: Size,
  box: Size | undefined,
  setView: (change: (view: View | undefined) => View | undefined) => void,
) {
  const hands = useRef(new Map<number, Point>());
  const isDragging = useRef(false);
  const latest = useRef({ drawing, box });
  latest.current = { drawing, box };
  const inFrame = ({ clientX, clientY }: { clientX: number; clientY: number }): Point => {
    const { left = 0, top = 0 } = frame.current?.getBoundingClientRect() ?? {};
    return { x: clientX - left, y: clientY - top };
  };
  const move = (by: Point): void =>
    setView((view) => {
      const { drawing: size, box: window } = latest.current;
      return view && window && moved(view, by, size, window);
    });
  useEffect(() => {
    const shown = frame.current;
    const onWheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && shown?.contains(document.activeElement) !== true) return; // W2
      event.preventDefault();
      if (event.shiftKey) move({ x: -event.deltaY - event.deltaX, y: 0 });
      else setView((view) => view && zoomed(view, Math.exp(-event.deltaY / 400), inFrame(event)));
    };
    // Not passive, so that the page stands still meanwhile.
    shown?.addEventListener("wheel", onWheel, { passive: false });
    return () => shown?.removeEventListener("wheel", onWheel);
  }, []);
  const release = ({ pointerId }: PointerEvent): void => {
    hands.current.delete(pointerId);
  };
  return {
    onPointerDown: (event: PointerEvent): void => {
      hands.current.set(event.pointerId, inFrame(event));
      isDragging.current = false;
    },
    onPointerMove: (event: PointerEvent): void => {
      const before = hands.current.get(event.pointerId);
      if (before === undefined) return;
      const now = inFrame(event);
      const other = [...hands.current].find(([id]) => id !== event.pointerId)?.[1];
      if (!isDragging.current && other === undefined && apart(before, now) < DRAG_MIN) return;
      if (!isDragging.current) frame.current?.setPointerCapture(event.pointerId);
      isDragging.current = true;
      hands.current.set(event.pointerId, now);
      if (other !== undefined) {
        const ratio = apart(now, other) / Math.max(1, apart(before, other));
        setView((view) => view && zoomed(view, ratio, other));
        return;
      }
      move({ x: now.x - before.x, y: now.y - before.y });
    },
    onPointerUp: release,
    onPointerCancel: release,
    onClickCapture: (event: MouseEvent): void => {
      if (isDragging.current) event.stopPropagation();
      isDragging.current = false;
    },
  };
}

const apart = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);
