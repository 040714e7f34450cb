// What the machines said last of their models: soft, told again within seconds after a change of leader.

import type { ModelRuntimeView } from "@gantry/shared/contract/schemas/models.ts";

export interface ModelRuntimes {
  report(node: string, runtime: ModelRuntimeView): void;
  forget(node: string): void;
  of(node: string): ModelRuntimeView | undefined;
}

export function makeModelRuntimes(): ModelRuntimes {
  const runtimes = new Map<string, ModelRuntimeView>(); // of nodes with a session: bounded by them
  return {
    report: (node, runtime) => void runtimes.set(node, runtime),
    forget: (node) => void runtimes.delete(node),
    of: (node) => runtimes.get(node),
  };
}
