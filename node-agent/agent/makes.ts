// One order for a part, from a program or a body to files at the hub, step by step.

import type { Mesh, MeshFacts } from "@gantry/shared/cad/mesh.ts";
import type { SliceProfile } from "@gantry/shared/cad/slicing.ts";
import {
  type CadOrder,
  type Made,
  type MakeStep,
  type SliceOrder,
  type StoredFile,
} from "@gantry/shared/contract/cad.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { CadTools } from "../runners/cad.ts";

/** What a job of a part may ask of the agent. */
export interface MakeTools {
  /** Live, never on record. `share`: 0 to 1 of this step. */
  readonly onStep: (step: MakeStep, share: number) => void;
  /** The bytes are at the hub, on disk, when this resolves. */
  keep(bytes: Uint8Array): Promise<StoredFile>;
  /** A file of the hub. */
  load(file: StoredFile): Promise<Uint8Array>;
}

/** What runners/cad.ts knows of bodies; it is loaded only where there is a program for parts. */
export interface Bodies {
  readonly readBody: (bytes: Uint8Array) => Mesh;
  readonly writeBody: (mesh: Mesh) => Uint8Array;
  readonly inspect: (
    mesh: Mesh,
    profile: SliceProfile | undefined,
  ) => { readonly facts: MeshFacts; readonly picture: () => Uint8Array };
}

export interface PartMakerPorts {
  readonly tools: CadTools;
  readonly bodies: Bodies;
  readonly clock: Clock;
}

/** Throws what the tools throw. */
export async function makeFromProgram(
  { tools, bodies, clock }: PartMakerPorts,
  { source, isFree, profile }: CadOrder,
  given: MakeTools,
  signal: AbortSignal,
): Promise<Made> {
  const steps = makeSteps(given, clock);
  const mesh = await steps.during("render", () => tools.render(source, isFree, signal));
  const { facts, picture } = await steps.during("check", () => bodies.inspect(mesh, profile));
  const png = await steps.during("preview", picture);
  const gcode =
    profile === undefined
      ? undefined
      : await steps.during("slice", (onShare) => tools.slice(mesh, profile, png, onShare, signal));
  const files = await steps.during("store", async () => ({
    stl: await given.keep(bodies.writeBody(mesh)),
    preview: await given.keep(png),
    ...(gcode === undefined ? {} : { gcode: await given.keep(gcode) }),
  }));
  return { ...files, mesh: facts, tookMs: steps.tookMs };
}

/** Throws what the tools throw. */
export async function makeFromBody(
  { tools, bodies, clock }: PartMakerPorts,
  { stl, profile }: SliceOrder & { readonly profile: SliceProfile },
  given: MakeTools,
  signal: AbortSignal,
): Promise<Made> {
  const steps = makeSteps(given, clock);
  const mesh = bodies.readBody(await given.load(stl));
  const inspected = await steps.during("check", () => bodies.inspect(mesh, profile));
  const png = await steps.during("preview", inspected.picture);
  const gcode = await steps.during("slice", (onShare) =>
    tools.slice(mesh, profile, png, onShare, signal),
  );
  const files = await steps.during("store", async () => ({
    preview: await given.keep(png),
    gcode: await given.keep(gcode),
  }));
  return { stl, ...files, mesh: inspected.facts, tookMs: steps.tookMs };
}

function makeSteps({ onStep }: MakeTools, clock: Clock) {
  const tookMs: Partial<Record<MakeStep, number>> = {};
  return {
    tookMs,
    async during<T>(
      step: MakeStep,
      work: (onShare: (share: number) => void) => T | Promise<T>,
    ): Promise<T> {
      const startedMs = clock.monotonic();
      onStep(step, 0);
      const done = await work((share) => onStep(step, share));
      tookMs[step] = Math.round((clock.monotonic() - startedMs) * 10) / 10;
      return done;
    },
  };
}
