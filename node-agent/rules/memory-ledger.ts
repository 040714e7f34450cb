// Who holds how much memory of this machine, and what a model will need before it is loaded. Pure.
//
// LM1. Bytes are held from before a process is started until it is gone: what is reserved and not yet
//      used counts, so two loads can never both be let into the same room.
// LM2. What was estimated is replaced by what was measured, once there is a measure.
// LM3. The processor is a device like the others: a model that has no room in the GPU may live there.

export const DEVICES = ["gpu", "cpu"] as const;
export type Device = (typeof DEVICES)[number];

export interface Hold {
  readonly device: Device;
  readonly bytes: number;
  readonly isMeasured: boolean;
}

export interface MemoryLedger {
  /** Of each device, for models; a device without a number is not there. */
  readonly capacity: Readonly<Partial<Record<Device, number>>>;
  readonly holds: Map<string, Hold>;
}

/** Of a process with a model of 1 MB (measured: 110 MB). */
export const PROCESS_BYTES = 120_000_000;
/** On top of every estimate: llama.cpp's compute buffers and what it rounds up. */
const MARGIN = 1.08;
/** Of a KV cache's numbers. */
const F16_BYTES = 2;

export interface Shape {
  /** Of the file: its weights, nearly. */
  readonly sizeBytes: number;
  /** Numbers that one token leaves in the KV cache: layers x heads x their width, keys and values. */
  readonly kvPerToken: number | undefined;
}

/** What a process with this model will take. `contextTokens` is of one slot. */
export function estimateBytes(shape: Shape, slots: number, contextTokens: number): number {
  const kvBytes = (shape.kvPerToken ?? 0) * F16_BYTES * slots * contextTokens;
  return Math.ceil((shape.sizeBytes + kvBytes) * MARGIN) + PROCESS_BYTES;
}

export const makeMemoryLedger = (capacity: MemoryLedger["capacity"]): MemoryLedger => ({
  capacity,
  holds: new Map(),
});

export function freeBytes({ capacity, holds }: MemoryLedger, device: Device): number {
  let free = capacity[device] ?? 0;
  for (const hold of holds.values()) if (hold.device === device) free -= hold.bytes;
  return free;
}

/** Whether it could ever be there, with nothing else. */
export const fitsEver = ({ capacity }: MemoryLedger, bytes: number): boolean =>
  DEVICES.some((device) => bytes <= (capacity[device] ?? 0));

/** Takes the bytes (LM1) on the first device that has room; undefined: none has. */
export function reserve(ledger: MemoryLedger, name: string, bytes: number): Device | undefined {
  const device = DEVICES.find((each) => bytes <= freeBytes(ledger, each)); // LM3
  if (device !== undefined) ledger.holds.set(name, { device, bytes, isMeasured: false });
  return device;
}

/** LM2. Without effect for what holds nothing. */
export function measured(ledger: MemoryLedger, name: string, bytes: number): void {
  const hold = ledger.holds.get(name);
  if (hold !== undefined) ledger.holds.set(name, { ...hold, bytes, isMeasured: true });
}

export const release = (ledger: MemoryLedger, name: string): void => void ledger.holds.delete(name);
