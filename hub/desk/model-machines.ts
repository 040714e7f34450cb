// Use case: what the machines' models do now.

import type { ModelFact } from "@gantry/shared/contract/rows.ts";
import type { ModelMachines, ModelRuntimeView } from "@gantry/shared/contract/schemas/models.ts";
import type { DeskParts } from "./context.ts";

export function modelMachines({ hub, models }: DeskParts): ModelMachines {
  const nodes = [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive");
  return {
    machines: nodes.map(({ id, name, capabilities }) => {
      const runtime = models.runtime(id) ?? {
        models: capabilities.models.map(unheard),
        memory: [],
      };
      return { node: id, name, ...runtime };
    }),
    queues: models.queues().map((queue) => ({ ...queue })),
  };
}

/** Its machine has not said yet how it is. */
const unheard = ({ name, sizeBytes }: ModelFact): ModelRuntimeView["models"][number] => ({
  name,
  sizeBytes,
  state: "unknown",
  isPinned: false,
  running: 0,
  waiting: 0,
});
