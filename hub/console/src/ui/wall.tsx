// Tiles of all printers, to be read from across the room: a word, how far, until when, how hot.

import type { WallView } from "@gantry/shared/contract/schemas/farm.ts";
import { inWallOrder, type WallPrinter, wallWord } from "../core/farm.ts";
import { duration, percent } from "../core/format.ts";

export function WallTiles({ wall }: { readonly wall: WallView }) {
  const { printers, waiting } = wall;
  const needy = printers.filter((printer) => ["bad", "warn"].includes(wallWord(printer).tone));
  return (
    <div class="wall">
      <p class="wall-sum">
        {printers.length} {printers.length === 1 ? "printer" : "printers"} · {waiting} waiting ·{" "}
        {needy.length === 0 ? "no hand needed" : `${needy.length} to look after`}
      </p>
      <ul class="wall-tiles">
        {inWallOrder(printers).map((printer) => (
          <Tile key={printer.id} printer={printer} />
        ))}
      </ul>
    </div>
  );
}

function Tile({ printer }: { readonly printer: WallPrinter }) {
  const { id, progress, remainingS, endsAt, temperatures, material, state, bed } = printer;
  const { tone, word } = wallWord(printer);
  const isBusy = progress !== undefined && state !== "idle";
  return (
    <li class={`wall-tile tone-${tone}`}>
      <h2>{id}</h2>
      <p class="wall-word">{word}</p>
      {isBusy && (
        <>
          <p class="wall-share">{percent(progress)}</p>
          <progress max={1} value={progress} aria-label={`Progress on ${id}`} />
        </>
      )}
      <p class="wall-small">
        {isBusy && remainingS !== undefined && <span>{duration(remainingS)} left</span>}
        {isBusy && endsAt !== undefined && <span>until {clockTime(endsAt)}</span>}
        {temperatures !== undefined && (
          <span>
            {heat(temperatures.nozzleC, temperatures.nozzleTargetC)} ·{" "}
            {heat(temperatures.bedC, temperatures.bedTargetC)} °C
          </span>
        )}
        {material !== undefined && <span>{material}</span>}
        {bed === "part" && word !== "Clear the bed" && !isBusy && <span>bed not clear</span>}
      </p>
    </li>
  );
}

const heat = (nowC: number, targetC: number): string =>
  targetC > 0 ? `${Math.round(nowC)}/${Math.round(targetC)}` : String(Math.round(nowC));

const clockTime = (iso: string): string =>
  new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
