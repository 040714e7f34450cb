// onnxruntime-node behind our own words. Lives only in the worker of runners/embed-worker.ts:
// `session.run` is synchronous and would stop the agent's loop for as long as it takes (measured).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { InferenceSession, Tensor } from "onnxruntime-node";

/** Rows of equal length, flat. */
export interface Matrix {
  readonly kind: "int64" | "float32";
  readonly rows: number;
  readonly columns: number;
  readonly values: readonly number[];
}

export interface Session {
  readonly inputs: readonly string[];
  /** The first output, flat, and the length of its last axis. */
  run(
    feeds: Readonly<Record<string, Matrix>>,
  ): Promise<{ readonly values: Float32Array; readonly dimensions: number }>;
}

/** Throws model_invalid naming the path. */
export async function openSession(path: string): Promise<Session> {
  const session = await open(path);
  const output = session.outputNames[0] ?? "";
  return {
    inputs: session.inputNames,
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, matrix]) => [name, tensorOf(matrix)]);
      const result = await session.run(Object.fromEntries(tensors), [output]);
      const tensor = result[output];
      const data = tensor?.data;
      if (tensor === undefined || !(data instanceof Float32Array)) {
        throw new GantryError("model_invalid", `${path} does not give out float32 vectors`);
      }
      return { values: data, dimensions: tensor.dims.at(-1) ?? 0 };
    },
  };
}

async function open(path: string): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path, {
      // One session with one thread in a worker beats one with many, for single texts (measured).
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
    });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new GantryError("model_invalid", `${path} is not a usable embedder: ${words}`, { cause });
  }
}

function tensorOf({ kind, rows, columns, values }: Matrix): Tensor {
  return kind === "int64"
    ? new Tensor("int64", BigInt64Array.from(values, BigInt), [rows, columns])
    : new Tensor("float32", Float32Array.from(values), [rows, columns]);
}
