// A WebAssembly module of some 250 bytes, written out here opcode by opcode: the dot product of one
// query with every row of a table of int8, sixteen numbers at a time. No compiler made it, and none is
// needed to read it. Opcodes: WebAssembly core specification 2.0, binary format, chapter 5.4.
//
//   scan(query, rows, count, dimensions, out)
//     query       address of `dimensions` int16: widened once, so that the loop does not do it per row
//     rows        address of `count` rows of `dimensions` int8
//     dimensions  a multiple of 16, at least 16
//     out         address of `count` int32
//
// WS1. It reads and writes only what its arguments name; its memory is the caller's, imported as m.m.
// WS2. Integers alone: 127 * 127 * 4,096 dimensions stay below 2^31, so a sum never wraps and is the
//      same on every machine.

/** What of it is used here: our types are Node's, which leave it out. */
interface WebAssemblyParts {
  readonly Memory: new (size: { readonly initial: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
  validate(bytes: Uint8Array): boolean;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyParts };

const I32 = 0x7f;
const V128 = 0x7b;

const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  br: (depth: number) => [0x0c, depth],
  brIf: (depth: number) => [0x0d, depth],
  get: (local: number) => [0x20, local],
  set: (local: number) => [0x21, local],
  store: [0x36, 2, 0], // i32.store, aligned to 4
  i32: (value: number) => [0x41, ...signed(value)],
  isZero: [0x45],
  less: [0x49], // i32.lt_u
  add: [0x6a],
  sub: [0x6b],
} as const;

/** Vector opcodes come after 0xfd; those from 128 on take two bytes. */
const vector = {
  load: (offset: number) => [0xfd, 0x00, 0, offset],
  /** Eight int8, each widened to int16. */
  loadWide: (offset: number) => [0xfd, 0x01, 0, offset],
  zero: [0xfd, 0x0c, ...Array.from({ length: 16 }, () => 0)],
  lane: (at: number) => [0xfd, 0x1b, at],
  add: [0xfd, 0xae, 0x01],
  /** Eight products of int16, added in pairs to four int32. */
  dot: [0xfd, 0xba, 0x01],
} as const;

const [QUERY, ROWS, COUNT, DIMENSIONS, OUT, AT, EVEN, ODD] = [0, 1, 2, 3, 4, 5, 6, 7];

/** sum += rows[AT + 0..7] * query[AT + 0..7]; `half` 1: the eight after them. */
const accumulate = (sum: number, half: 0 | 1): readonly number[] => [
  ...op.get(sum),
  ...op.get(ROWS),
  ...op.get(AT),
  ...op.add,
  ...vector.loadWide(8 * half),
  // Its numbers are two bytes long: AT is added twice.
  ...op.get(QUERY),
  ...op.get(AT),
  ...op.add,
  ...op.get(AT),
  ...op.add,
  ...vector.load(16 * half),
  ...vector.dot,
  ...vector.add,
  ...op.set(sum),
];

const BODY: readonly number[] = [
  ...op.block,
  ...op.loop, // for each row
  ...op.get(COUNT),
  ...op.isZero,
  ...op.brIf(1),
  ...vector.zero,
  ...op.set(EVEN),
  ...vector.zero,
  ...op.set(ODD),
  ...op.i32(0),
  ...op.set(AT),
  ...op.loop, // sixteen numbers; two sums, so that one does not wait for the other
  ...accumulate(EVEN, 0),
  ...accumulate(ODD, 1),
  ...op.get(AT),
  ...op.i32(16),
  ...op.add,
  ...op.set(AT),
  ...op.get(AT),
  ...op.get(DIMENSIONS),
  ...op.less,
  ...op.brIf(0),
  ...op.end,
  ...op.get(EVEN),
  ...op.get(ODD),
  ...vector.add,
  ...op.set(EVEN),
  ...op.get(OUT),
  ...op.get(EVEN),
  ...vector.lane(0),
  ...op.get(EVEN),
  ...vector.lane(1),
  ...op.add,
  ...op.get(EVEN),
  ...vector.lane(2),
  ...op.add,
  ...op.get(EVEN),
  ...vector.lane(3),
  ...op.add,
  ...op.store,
  ...op.get(ROWS),
  ...op.get(DIMENSIONS),
  ...op.add,
  ...op.set(ROWS),
  ...op.get(OUT),
  ...op.i32(4),
  ...op.add,
  ...op.set(OUT),
  ...op.get(COUNT),
  ...op.i32(1),
  ...op.sub,
  ...op.set(COUNT),
  ...op.br(0),
  ...op.end,
  ...op.end,
  ...op.end,
];

const HEAD = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]; // "\0asm", version 1

/** The module as a file would hold it. */
export function scanModule(): Uint8Array<ArrayBuffer> {
  const locals = [2, 1, I32, 2, V128]; // one int32, two vectors
  const code = [...locals, ...BODY];
  return new Uint8Array([
    ...HEAD,
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]), // its type: five int32, nothing back
    ...section(2, [1, ...named("m"), ...named("m"), 0x02, 0x00, 1]), // memory of a page or more
    ...section(3, [1, 0]), // one function of that type
    ...section(7, [1, ...named("scan"), 0x00, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

const section = (id: number, bytes: readonly number[]): readonly number[] => [
  id,
  ...unsigned(bytes.length),
  ...bytes,
];

const named = (text: string): readonly number[] => {
  const bytes = Array.from(text, (letter) => letter.codePointAt(0) ?? 0); // ASCII
  return [bytes.length, ...bytes];
};

/** LEB128: seven bits a byte, the lowest first; all but the last byte have their high bit set. */
function unsigned(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): readonly number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
