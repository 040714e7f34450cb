// Use case: what the machines' models do now.

import type { ModelMachines } from "@gantry/shared/contract/schemas/models.ts";
import type { DeskParts } from "./context.ts";

export function modelMachines({ hub, models }: DeskParts): ModelMachines {
  const nodes = [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive");
  return {
    machines: nodes.flatMap(({ id, name }) => {
      const runtime = models.runtime(id);
      return runtime === undefined ? [] : [{ node: id, name, ...runtime }];
    }),
    queues: models.queues().map((queue) => ({ ...queue })),
  };
}
