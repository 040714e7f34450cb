// Language models of two machines, as GET /api/models tells them.

import type { ModelMachines } from "@gantry/shared/contract/schemas/models.ts";

export const MOCK_MODELS: ModelMachines = {
  machines: [
    {
      node: "node_1",
      name: "workbench",
      memory: [
        { device: "gpu", totalBytes: 20_000_000_000, freeBytes: 12_400_000_000 },
        { device: "cpu", totalBytes: 25_000_000_000, freeBytes: 25_000_000_000 },
      ],
      models: [
        {
          name: "qwen2.5-7b-instruct-q4_k_m",
          state: "ready",
          device: "gpu",
          bytes: 7_600_000_000,
          isPinned: true,
          running: 4,
          waiting: 0,
          tokensPerS: 61.4,
        },
        {
          name: "qwen2.5-14b-instruct-q4_k_m",
          state: "absent",
          isPinned: false,
          running: 0,
          waiting: 2,
        },
      ],
    },
    {
      node: "node_2",
      name: "shelf",
      memory: [{ device: "cpu", totalBytes: 6_000_000_000, freeBytes: 2_100_000_000 }],
      models: [
        {
          name: "llama-3.2-3b-instruct-q4_k_m",
          state: "draining",
          device: "cpu",
          bytes: 3_900_000_000,
          isPinned: false,
          running: 1,
          waiting: 0,
          tokensPerS: 8.2,
        },
      ],
    },
  ],
  queues: [
    { model: "qwen2.5-7b-instruct-q4_k_m", running: 4, waiting: 9, slots: 4, tokensPerS: 58 },
  ],
};
