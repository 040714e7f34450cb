// A line that shows how far something has come. Pure.

import { type Look, paint } from "./look.ts";
import { cleanLine, cut, displayWidth } from "./text.ts";
import { formatShare } from "./units.ts";

export interface Progress {
  readonly label: string;
  /** 0..1. */
  readonly share: number;
  /** What stands behind the bar: rate, temperature, time left. */
  readonly notes: readonly string[];
}

const BAR_COLUMNS = 24;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** One line without a line feed, never wider than the terminal. */
export function renderProgress(look: Look, { label, share, notes }: Progress): string {
  const words = [formatShare(share).padStart(5), ...notes.map(cleanLine)].join("  ");
  if (!look.isRich) return `${cleanLine(label)} ${words.trimStart()}`;
  const room = look.columns - 1;
  const name = cut(cleanLine(label), Math.max(8, Math.floor(room / 4)));
  const left = room - displayWidth(name) - 1;
  const isWide = left >= BAR_COLUMNS + 8;
  const tail = cut(words, isWide ? left - BAR_COLUMNS - 1 : left);
  return isWide ? `${name} ${paint(look, "cyan", bar(share))} ${tail}` : `${name} ${tail}`;
}

function bar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * BAR_COLUMNS * 8);
  const full = "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
  return full + "░".repeat(Math.max(0, BAR_COLUMNS - displayWidth(full)));
}

/** Goes before a line that replaces the one the cursor is in. */
export const REDRAW = "\r\u001b[2K";
