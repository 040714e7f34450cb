// How a job is prepared and begun on a cable: nothing is delivered, its lines are sent as it prints.

import { makeActiveJob } from "./active-job.ts";
import { type DriverContext, type Printing, requireOnline } from "./driver-state.ts";
import type { LinePump } from "./line-pump.ts";
import type { Stage } from "./preparation.ts";
import { sizeMmOf } from "./printer-view.ts";

export function marlinStage(context: DriverContext, pump: LinePump): Stage<Printing> {
  const { spec, ports, state, book, scope } = context;
  return {
    printer: spec.id,
    state,
    book,
    scope,
    openJobFile: ports.openJobFile,
    jobOf: ({ active }) => active,
    requireReady: () => void requireOnline(state, spec.id),
    limits: () => ({ ...spec, sizeMm: sizeMmOf(spec, state) }),
    deliver: () => Promise.resolve(undefined),
    begin({ job, token }, file, cleared, row) {
      const online = requireOnline(state, spec.id);
      const heightMm = sizeMmOf(spec, state).z;
      const tagBase = online.link.ackedTag();
      const nowMs = ports.clock.monotonic();
      const active = makeActiveJob({ job, token, file, cleared, heightMm, tagBase, nowMs });
      state.work = { kind: "printing", active };
      state.mayBeHot = true;
      ports.onJob(row, "started");
      pump.pump(online);
      context.tell();
    },
    onJob: (row, phase) => ports.onJob(row, phase),
    tell: () => context.tell(),
  };
}
