// Numbers as people say them. Pure.

/** 1,536 -> 1.5 KiB. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** 3,725 s -> 1 h 2 min; 65 s -> 1 min 5 s. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** 0..1 -> 42 %. Never 100 % before the end. */
export const formatShare = (share: number): string =>
  `${share >= 1 ? 100 : Math.min(99, Math.floor(Math.max(0, share) * 100))} %`;

/** ISO time -> `2026-11-21 04:05:22`, in UTC as the hub keeps it. */
export const formatTime = (iso: string): string => iso.slice(0, 19).replace("T", " ");

/** 24, or 180/215 while there is a target; without the unit. */
export const formatHeat = (nowC: number, targetC: number): string =>
  targetC === 0 ? `${Math.round(nowC)}` : `${Math.round(nowC)}/${Math.round(targetC)}`;
