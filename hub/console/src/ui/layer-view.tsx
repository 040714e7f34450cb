// A print layer by layer: from above, or turned in space with the layers below it. Drawn by hand on a canvas;
// what it shows is said in words beside it, for who does not see it.

import type { PrintLayersView } from "@gantry/shared/contract/schemas/workshop.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Drawn, projected } from "../core/layer-drawing.ts";
import { useResource } from "../live/resources.ts";
import { Button } from "./parts.tsx";
import { Waiting } from "./waiting.tsx";

const WIDTH = 640;
const HEIGHT = 420;
/** Layers below the shown one that a view in space has. */
const DEEP = 40;
const TURN = Math.PI / 12;

export function LayerView({ print }: { readonly print: PrintView }) {
  const { gcode, progress, state } = print;
  const layers = Math.max(1, gcode.layers);
  const isLive = state === "printing" || state === "paused";
  const now = Math.max(1, Math.min(layers, Math.round(progress * layers)));
  const [chosen, choose] = useState<number | undefined>(undefined);
  const [isSolid, setSolid] = useState(false);
  const [angle, setAngle] = useState(Math.PI / 6);
  const layer = chosen ?? (isLive || state === "done" ? now : 1);
  const from = isSolid ? Math.max(1, layer - DEEP + 1) : layer;
  const path = `/api/fabrication/jobs/${encodeURIComponent(print.id)}/layers?from=${from}&to=${layer}`;
  const view = useResource<PrintLayersView>(path);
  return (
    <div class="stack">
      <div class="row between">
        <label>
          Layer {layer} of {layers}
          {isLive && chosen === undefined && " (about where it is now)"}
          <input
            type="range"
            min={1}
            max={layers}
            value={layer}
            onInput={({ currentTarget }) => choose(Number(currentTarget.value))}
          />
        </label>
        <span class="row">
          {isLive && chosen !== undefined && (
            <Button onClick={() => choose(undefined)}>Follow the print</Button>
          )}
          <Button aria-pressed={isSolid} onClick={() => setSolid(!isSolid)}>
            {isSolid ? "From above" : "In space"}
          </Button>
          {isSolid && (
            <>
              <Button aria-label="Turn left" onClick={() => setAngle(angle - TURN)}>
                ⟲
              </Button>
              <Button aria-label="Turn right" onClick={() => setAngle(angle + TURN)}>
                ⟳
              </Button>
            </>
          )}
        </span>
      </div>
      <Waiting of={view}>
        {({ drawn }) => (
          <Picture
            drawn={drawn}
            angle={isSolid ? angle : undefined}
            onTurn={(by) => setAngle((before) => before + by)}
            words={wordsOf(drawn, layer)}
          />
        )}
      </Waiting>
    </div>
  );
}

function wordsOf(drawn: PrintLayersView["drawn"], layer: number): string {
  const top = drawn.find((one) => one.layer === layer);
  if (top === undefined) return `Layer ${layer} is not drawn`;
  const thinned = top.stride > 1 ? `, one line of ${top.stride} drawn` : "";
  return `Layer ${layer} at ${top.zMm} mm, ${top.lines.length / 4} lines${thinned}`;
}

interface PictureProps {
  readonly drawn: readonly Drawn[];
  /** Undefined: from above. */
  readonly angle: number | undefined;
  readonly words: string;
  readonly onTurn: (by: number) => void;
}

function Picture({ drawn, angle, words, onTurn }: PictureProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const { current } = canvas;
    const pen = current?.getContext("2d");
    if (current === null || pen === null || pen === undefined) return;
    const ink = getComputedStyle(current);
    pen.clearRect(0, 0, WIDTH, HEIGHT);
    pen.lineWidth = 1.2;
    const pictures = projected(drawn, { width: WIDTH, height: HEIGHT }, angle);
    for (const [index, { lines }] of pictures.entries()) {
      const isTop = index === pictures.length - 1;
      pen.strokeStyle = ink.getPropertyValue(isTop ? "--accent" : "--ink-soft") || ink.color;
      pen.globalAlpha = isTop ? 1 : 0.35;
      pen.beginPath();
      for (let at = 0; at < lines.length; at += 4) {
        pen.moveTo(lines[at] ?? 0, lines[at + 1] ?? 0);
        pen.lineTo(lines[at + 2] ?? 0, lines[at + 3] ?? 0);
      }
      pen.stroke();
    }
  }, [drawn, angle]);
  return (
    <figure class="layer-view">
      <canvas
        ref={canvas}
        width={WIDTH}
        height={HEIGHT}
        role="img"
        aria-label={words}
        onPointerMove={(event) => {
          if (angle !== undefined && event.buttons === 1) onTurn(event.movementX / 100);
        }}
      />
      <figcaption class="faint">{words}</figcaption>
    </figure>
  );
}
