// A job that makes a part, as people see it.

import type { ParameterValues } from "@gantry/shared/cad/parameters.ts";
import { MAKE_STEPS, madeSchema, type MakeStep } from "@gantry/shared/contract/cad.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import { type MakeView, PART_FILES } from "@gantry/shared/contract/schemas/cad.ts";

/** What an order is about, beside what the node needs; written by the desk. */
export interface About {
  readonly title: string;
  readonly name: string;
  readonly summary: string;
  readonly part?: string;
  readonly parameters?: ParameterValues;
  readonly printer?: string;
}

/** How much of the way each step usually is; measured, see docs/performance.md. */
const WEIGHT: Readonly<Record<MakeStep, number>> = {
  render: 0.4,
  check: 0.03,
  preview: 0.07,
  slice: 0.45,
  store: 0.05,
};

export const orderOf = ({
  input,
}: JobRow): { readonly about: About; readonly isSliced: boolean } => ({
  about: input["about"] as About, // written by desk/cad.ts
  isSliced: input["profile"] !== undefined,
});

export function makeView(
  row: JobRow,
  live: { readonly step: MakeStep; readonly share: number } | undefined,
  isCached: boolean,
): MakeView {
  const { about, isSliced } = orderOf(row);
  const made = madeSchema.safeParse(row.result).data;
  const steps = MAKE_STEPS.filter(
    (step) => (step !== "render" || row.kind === "cad") && (step !== "slice" || isSliced),
  );
  const isDone = row.state === "done";
  const at = live === undefined || row.state !== "leased" ? -1 : steps.indexOf(live.step);
  const total = steps.reduce((sum, step) => sum + WEIGHT[step], 0);
  const before = steps.slice(0, Math.max(at, 0)).reduce((sum, step) => sum + WEIGHT[step], 0);
  const within = at < 0 || live === undefined ? 0 : WEIGHT[live.step] * live.share;
  const files = PART_FILES.flatMap((file) => {
    const stored = made?.[file];
    return stored === undefined
      ? []
      : [[file, { ...stored, url: `/api/cad/jobs/${row.id}/files/${file}` }] as const];
  });
  return {
    id: row.id,
    state: row.state,
    name: about.name,
    summary: about.summary,
    ...(about.part === undefined ? {} : { part: about.part }),
    ...(about.parameters === undefined ? {} : { parameters: { ...about.parameters } }),
    ...(about.printer === undefined ? {} : { printer: about.printer }),
    cached: isCached,
    progress: isDone ? 1 : Math.min(1, (before + within) / total),
    steps: steps.map((step, index) => {
      const tookMs = made?.tookMs[step];
      const state = isDone || index < at ? "done" : index === at ? "running" : "waiting";
      return { step, state, ...(tookMs === undefined ? {} : { tookMs }) };
    }),
    ...(row.lease === undefined ? {} : { node: row.lease.node }),
    ...(made === undefined ? {} : { mesh: made.mesh }),
    files: Object.fromEntries(files),
    ...(row.error === undefined ? {} : { error: { ...row.error } }),
  };
}
