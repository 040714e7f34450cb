// Test equipment: how the desk describes a printer that is idle, with a clear bed.

export const PRINTER_VIEW = {
  kind: "printer",
  type: "marlin",
  node: "n1",
  machine: "bench",
  online: true,
  phase: "idle",
  simulated: true,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
  bed: "clear",
} as const;
