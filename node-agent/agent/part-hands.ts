// The hands that make parts. The programs are looked for when the node starts and tried once, beside
// everything else; only then does the node say that it has them (CD1 of runners/cad.ts).

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import { findProgram } from "../adapters/sandbox.ts";
import { makeFromBody, makeFromProgram, type PartMakerPorts } from "./makes.ts";
import type { PartHands } from "./ports.ts";

export interface PartHandsPorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Search path of the programs, before the system's. */
  readonly path: string | undefined;
  readonly onChange: () => void;
}

export function openPartHands(ports: PartHandsPorts, scope: Scope): PartHands {
  const { clock, log, path, onChange } = ports;
  let maker: PartMakerPorts | undefined;

  scope.start("parts", async (signal) => {
    const found = await Promise.all(
      ["openscad", "prusa-slicer"].map((name) => findProgram(name, path)),
    );
    if (found.every((program) => program === undefined)) return; // nothing is loaded for nothing
    const bodies = await import("../runners/cad.ts");
    const tools = await bodies.openCadTools({ clock, path }, signal);
    for (const fault of tools.faults) log.warn({ fault }, "a program for parts does not work here");
    maker = { tools, bodies, clock };
    if (tools.cad !== undefined || tools.slicer !== undefined) onChange();
  });

  function present(): PartMakerPorts {
    if (maker !== undefined) return maker;
    throw new GantryError("capability_missing", "This machine has no program for parts");
  }

  return {
    facts() {
      const { cad, slicer } = maker?.tools ?? {};
      return { ...(cad === undefined ? {} : { cad }), ...(slicer === undefined ? {} : { slicer }) };
    },
    render: async (order, tools, signal) => makeFromProgram(present(), order, tools, signal),
    slice: async (order, tools, signal) => makeFromBody(present(), order, tools, signal),
  };
}
