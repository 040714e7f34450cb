// A part that can be turned: with a finger, the mouse or the arrow keys. Drawn by the same code that
// draws the picture at the hub's end, on a canvas; no graphics card is asked for.

import type { Mesh } from "@gantry/shared/cad/mesh.ts";
import { drawMesh, USUAL_VIEW, type Viewpoint } from "@gantry/shared/cad/preview.ts";
import { readStl } from "@gantry/shared/cad/stl.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./parts.tsx";

const WIDTH = 640;
const HEIGHT = 480;
const TURN = Math.PI / 12;
const UP_MAX = Math.PI / 2;
/** More take longer than a frame: they are drawn at half the size while they turn. */
const QUICK_TRIANGLES = 60_000;

export function PartView({
  url,
  picture,
  name,
}: {
  readonly url: string;
  readonly picture: string | undefined;
  readonly name: string;
}) {
  const { mesh, hasFailed } = useMesh(url);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [view, setView] = useState<Viewpoint>(USUAL_VIEW);
  const [isTurning, setTurning] = useState(false);
  useEffect(() => {
    if (mesh === undefined || canvas.current === null) return undefined;
    const target = canvas.current;
    const frame = requestAnimationFrame(() => paint(target, mesh, view, isTurning));
    return () => cancelAnimationFrame(frame);
  }, [mesh, view, isTurning]);
  const turn = (across: number, up: number): void =>
    setView((before) => ({
      ...before,
      across: before.across + across,
      up: Math.min(UP_MAX, Math.max(-UP_MAX, before.up + up)),
    }));
  const zoom = (by: number): void =>
    setView((before) => ({ ...before, zoom: Math.min(8, Math.max(0.3, before.zoom * by)) }));
  if (hasFailed || (mesh === undefined && picture !== undefined)) {
    return <img class="part-view" src={picture} alt={`${name}, seen from the front and above`} />;
  }
  return (
    <div class="part-stage">
      <canvas
        ref={canvas}
        class="part-view"
        width={WIDTH}
        height={HEIGHT}
        tabIndex={0}
        role="img"
        aria-label={`${name}. Turn it with the arrow keys; plus and minus for nearer and farther.`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setTurning(true);
        }}
        onPointerUp={() => setTurning(false)}
        onPointerCancel={() => setTurning(false)}
        onPointerMove={(event) => {
          if (isTurning) turn(-event.movementX * 0.01, event.movementY * 0.01);
        }}
        onKeyDown={(event) => {
          const act = KEYS[event.key];
          if (act === undefined) return;
          event.preventDefault();
          act(turn, zoom);
        }}
      />
      <div class="row">
        <Button look="quiet" aria-label="Turn left" onClick={() => turn(TURN, 0)}>
          ←
        </Button>
        <Button look="quiet" aria-label="Turn right" onClick={() => turn(-TURN, 0)}>
          →
        </Button>
        <Button look="quiet" aria-label="Nearer" onClick={() => zoom(1.25)}>
          +
        </Button>
        <Button look="quiet" aria-label="Farther" onClick={() => zoom(0.8)}>
          −
        </Button>
        <Button look="quiet" onClick={() => setView(USUAL_VIEW)}>
          As at first
        </Button>
      </div>
    </div>
  );
}

type Turn = (across: number, up: number) => void;
type Zoom = (by: number) => void;
const KEYS: Readonly<Record<string, (turn: Turn, zoom: Zoom) => void>> = {
  ArrowLeft: (turn) => turn(TURN, 0),
  ArrowRight: (turn) => turn(-TURN, 0),
  ArrowUp: (turn) => turn(0, -TURN),
  ArrowDown: (turn) => turn(0, TURN),
  "+": (_turn, zoom) => zoom(1.25),
  "-": (_turn, zoom) => zoom(0.8),
};

function paint(canvas: HTMLCanvasElement, mesh: Mesh, view: Viewpoint, isTurning: boolean): void {
  const isRough = isTurning && mesh.triangles > QUICK_TRIANGLES;
  const [width, height] = isRough ? [WIDTH / 2, HEIGHT / 2] : [WIDTH, HEIGHT];
  canvas.width = width;
  canvas.height = height;
  const { pixels } = drawMesh(mesh, width, height, view);
  const image = new ImageData(new Uint8ClampedArray(pixels), width, height);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** `hasFailed`: the file is gone or is none; the picture may still be there. */
function useMesh(url: string): { readonly mesh: Mesh | undefined; readonly hasFailed: boolean } {
  const [mesh, setMesh] = useState<Mesh>();
  const [hasFailed, setFailed] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const response = await fetch(url, { credentials: "same-origin", signal: stop.signal });
        if (!response.ok) return setFailed(true);
        setMesh(readStl(new Uint8Array(await response.arrayBuffer())));
      } catch (error) {
        const isKnown = error instanceof GantryError || error instanceof TypeError;
        if (!stop.signal.aborted && !isKnown) throw error;
        if (!stop.signal.aborted) setFailed(true);
      }
    };
    void read();
    return () => stop.abort();
  }, [url]);
  return { mesh, hasFailed };
}
