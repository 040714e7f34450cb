// Which speeds a printer may have, and which one to try next.
//
// BD1. Every other try has the configured speed: a printer that was merely off is found at once.

/** The usual ones, the likeliest first. */
const BAUDS: readonly number[] = [115_200, 250_000, 230_400, 500_000, 57_600, 1_000_000, 38_400];

/** The speed of try 0, 1, 2 and so on, without an end. */
export function baudOfTry(configured: number, tries: number): number {
  const others = BAUDS.filter((baud) => baud !== configured);
  return tries % 2 === 0 ? configured : (others[((tries - 1) / 2) % others.length] ?? configured);
}
