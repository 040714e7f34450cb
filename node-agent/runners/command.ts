// Runs a command of the machine's list (rules/commands.ts) for the hub or for a person.
// The list is the only authority: see C1 to C4 there. This file adds the schema and the run.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { type ProgramResult, runProgram } from "../adapters/exec.ts";
import { makeSwitches } from "../adapters/switches.ts";
import {
  argumentVector,
  type CommandCatalogue,
  type CommandEntry,
  type Effect,
  type Hazard,
} from "../rules/commands.ts";
import { makeOutputs, type Switches } from "./outputs.ts";

/** What a caller may know of a command before running it. */
export interface CommandInfo {
  readonly name: string;
  readonly description: string;
  readonly argSchema: Readonly<Record<string, unknown>>;
  readonly hazard: Hazard;
  readonly effect: Effect;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** True when more was written than is kept (64 KiB each). */
  readonly isCut: boolean;
  readonly tookMs: number;
}

export interface CommandRunner {
  readonly list: readonly CommandInfo[];
  /** Throws command_not_listed, bad_request with `details.field`, before anything could run. */
  check(name: string, args: unknown): void;
  /**
   * As `check`, then runs it. Throws busy, command_failed with `details.exitCode`, timeout, and the
   * signal's reason. The program and all it started are dead when this settles.
   */
  run(name: string, args: unknown, signal: AbortSignal, ids?: CommandIds): Promise<CommandResult>;
}

/** What a program is told of why it runs: JOB_ID, and RUN_ID and PLACE where a workflow wanted it. */
export interface CommandIds {
  readonly job: string;
  readonly run?: string | undefined;
  readonly place?: string | undefined;
}

const factsOf = (ids: CommandIds | undefined): Readonly<Record<string, string>> =>
  ids === undefined
    ? {}
    : {
        JOB_ID: ids.job,
        ...(ids.run === undefined ? {} : { RUN_ID: ids.run }),
        ...(ids.place === undefined ? {} : { PLACE: ids.place }),
      };

/** A runaway list of commands must not become a fork bomb. */
const RUNNING_MAX = 8;
const STDERR_SHOWN_CHARS = 500;

/** Throws bad_config for a schema in the catalogue that is not one. */
export function makeCommandRunner(
  catalogue: CommandCatalogue,
  clock: Clock,
  switches: Switches = makeSwitches(clock),
): CommandRunner {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const checks = new Map(
    Object.entries(catalogue).map(([name, entry]) => [name, compile(ajv, name, entry)]),
  );
  const outputs = makeOutputs(catalogue, switches, clock);
  let running = 0;

  function vectorFor(
    name: string,
    args: unknown,
  ): { entry: CommandEntry; vector: readonly string[] } {
    const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
    const accepts = checks.get(name);
    if (entry === undefined || accepts === undefined) {
      const shown = JSON.stringify(name).slice(0, 80);
      throw new GantryError("command_not_listed", `${shown} is not a command of this machine`);
    }
    const values = args ?? {};
    if (!accepts(values)) throw badArguments(accepts);
    return { entry, vector: argumentVector(entry, values as Readonly<Record<string, unknown>>) };
  }

  async function run(
    name: string,
    args: unknown,
    signal: AbortSignal,
    ids?: CommandIds,
  ): Promise<CommandResult> {
    const { entry, vector } = vectorFor(name, args);
    if (running >= RUNNING_MAX) {
      throw new GantryError("busy", `${running} commands run on this machine already`);
    }
    const startedMs = clock.monotonic();
    running += 1;
    try {
      const deadline = clock.timeout(entry.timeoutMs, signal);
      if (entry.output !== undefined) {
        const stdout = await outputs.turn(name, isTurnedOn(args), deadline);
        const tookMs = Math.round(clock.monotonic() - startedMs);
        return { stdout, stderr: "", isCut: false, tookMs };
      }
      await outputs.require(name, entry.needs ?? [], deadline);
      const result = await runProgram(entry.program, vector, deadline, factsOf(ids));
      const tookMs = Math.round(clock.monotonic() - startedMs);
      if (result.exitCode !== 0) throw failed(name, result, tookMs);
      return { stdout: result.stdout, stderr: result.stderr, isCut: result.isCut, tookMs };
    } finally {
      running -= 1;
    }
  }

  return {
    list: Object.entries(catalogue).map(([name, { description, argSchema, hazard, effect }]) => ({
      name,
      description,
      argSchema,
      hazard,
      effect,
    })),
    check: (name, args) => void vectorFor(name, args),
    run,
  };
}

/** Its schema has let it through. */
const isTurnedOn = (args: unknown): boolean => (args as { readonly on: boolean }).on;

function compile(ajv: Ajv2020, name: string, entry: CommandEntry): ValidateFunction {
  try {
    // An argument that the schema does not name would be dropped in silence: it is refused instead.
    return ajv.compile({ type: "object", additionalProperties: false, ...entry.argSchema });
  } catch (cause) {
    throw new GantryError("bad_config", `The list of commands: ${name}.argSchema is not a schema`, {
      cause,
      details: { path: `${name}.argSchema` },
    });
  }
}

function badArguments(accepts: ValidateFunction): GantryError {
  const fault = accepts.errors?.[0];
  const named: unknown = fault?.params["additionalProperty"] ?? fault?.params["missingProperty"];
  const path = `${fault?.instancePath ?? ""}${typeof named === "string" ? `/${named}` : ""}`;
  const field = path.slice(1).replaceAll("/", ".").slice(0, 200);
  return new GantryError("bad_request", `The arguments: ${field} ${fault?.message ?? "is wrong"}`, {
    details: { field },
  });
}

function failed(name: string, result: ProgramResult, tookMs: number): GantryError {
  const { exitCode, signal, stdout, stderr, isCut } = result;
  const how = exitCode === null ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
  const words = stderr.trim().slice(-STDERR_SHOWN_CHARS);
  return new GantryError("command_failed", `${name} ${how}${words === "" ? "" : `: ${words}`}`, {
    details: { exitCode, signal, stdout, stderr, isCut, tookMs },
  });
}
