// The simulated machine's coordinates: where a move ends and how long it takes.

export interface Move {
  readonly durationMs: number;
  readonly isColdExtrusion: boolean;
}

export interface Machine {
  move(command: string, nozzleC: number): Move;
  home(command: string): void;
  /** G20, G21, G90, G91, G92, M82, M83 and words that change nothing; false for an unknown one. */
  setMode(command: string): boolean;
  /** The first line of M114. */
  positionText(): string;
}

const AXES = ["X", "Y", "Z", "E"] as const;
type Axis = (typeof AXES)[number];

const COLD_C = 170;
const KNOWN = new Set(
  (
    "T0 T1 G10 G11 G17 G27 G80 M17 M18 M73 M74 M75 M76 M77 M84 M106 M107 M108 M117 M119 M201 M203 M204 " +
    "M205 M207 M208 M220 M221 M300 M420 M486 M572 M593 M876 M900"
  ).split(" "),
);

const wordOf = (command: string, letter: string): number | undefined => {
  const found = new RegExp(`${letter}([-+]?[\\d.]+)`).exec(command);
  return found === null ? undefined : Number(found[1]);
};

export function makeMachine(sizeMm: {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}): Machine {
  const position: Record<Axis, number> = { X: 0, Y: 0, Z: 0, E: 0 };
  const sizes: Partial<Record<Axis, number>> = { X: sizeMm.x, Y: sizeMm.y, Z: sizeMm.z };
  let isRelative = false;
  let isRelativeE = false;
  let unitMm = 1;
  let feedMmMin = 1_800;

  function targetOf(axis: Axis, word: number): number {
    const relative = axis === "E" ? isRelativeE : isRelative;
    const target = word * unitMm + (relative ? position[axis] : 0);
    const size = sizes[axis];
    return size === undefined ? target : Math.min(size, Math.max(0, target)); // soft end stops
  }

  return {
    move(command, nozzleC) {
      feedMmMin = wordOf(command, "F") ?? feedMmMin;
      let squared = 0;
      let deltaE = 0;
      for (const axis of AXES) {
        const word = wordOf(command, axis);
        if (word === undefined) continue;
        const target = targetOf(axis, word);
        const delta = target - position[axis];
        position[axis] = target;
        if (axis === "E") deltaE = delta;
        else squared += delta ** 2;
      }
      const isColdExtrusion = deltaE > 0 && nozzleC < COLD_C;
      const lengthMm = squared > 0 ? Math.sqrt(squared) : isColdExtrusion ? 0 : Math.abs(deltaE);
      return { durationMs: (lengthMm / feedMmMin) * 60_000, isColdExtrusion };
    },
    home(command) {
      const named = (["X", "Y", "Z"] as const).filter((axis) => command.includes(axis));
      for (const axis of named.length === 0 ? (["X", "Y", "Z"] as const) : named)
        position[axis] = 0;
    },
    setMode(command) {
      const name = command.split(" ", 1)[0] ?? "";
      if (name === "G90" || name === "G91") isRelative = isRelativeE = name === "G91";
      else if (name === "M82" || name === "M83") isRelativeE = name === "M83";
      else if (name === "G20" || name === "G21") unitMm = name === "G20" ? 25.4 : 1;
      else if (name === "G92") {
        for (const axis of AXES) position[axis] = wordOf(command, axis) ?? position[axis];
      } else return KNOWN.has(name);
      return true;
    },
    positionText() {
      const [x, y, z, e] = AXES.map((axis) => position[axis].toFixed(2));
      return `X:${x} Y:${y} Z:${z} E:${e} Count X:0 Y:0 Z:0`;
    },
  };
}
