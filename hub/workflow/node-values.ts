// Which members of a node hold values with expressions within, and which are expressions as a whole.

import type { NodeType, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Json } from "./json-value.ts";
import type { Doer } from "./plan.ts";

const WITHIN: Readonly<Record<NodeType, readonly string[]>> = {
  function: ["with"],
  http: ["url", "headers", "body"],
  agent: ["prompt", "system"],
  task: ["with"],
  join: [],
  branch: [],
  approval: ["question"],
  timer: [],
  subworkflow: ["with"],
  artifact: ["name", "value"],
  document: ["title", "author", "content"],
  map: [],
  loop: ["start"],
};

/** By member, those that are there. */
export function valuesIn(node: WorkflowNode): Readonly<Record<string, Json>> {
  const members: Readonly<Record<string, unknown>> = { ...node };
  return Object.fromEntries(
    WITHIN[node.type].flatMap((name) => {
      const value = members[name];
      return value === undefined ? [] : [[name, value as Json]]; // the schema let only JSON in
    }),
  );
}

export interface TestText {
  readonly path: readonly string[];
  readonly text: string;
}

/** A loop's `while` is left out: it sees the loop's own variables. */
export function testsIn(node: WorkflowNode): readonly TestText[] {
  switch (node.type) {
    case "branch":
      return node.cases.map(({ when }, at) => ({ path: ["cases", `${at}`, "when"], text: when }));
    case "map":
      return [{ path: ["over"], text: node.over }];
    case "timer":
      return node.until === undefined ? [] : [{ path: ["until"], text: node.until }];
    case "function":
    case "http":
    case "agent":
    case "task":
    case "join":
    case "approval":
    case "subworkflow":
    case "artifact":
    case "document":
    case "loop":
      return [];
  }
}

export const DOERS: Readonly<Record<NodeType, Doer>> = {
  function: "engine",
  http: "executor",
  agent: "executor",
  task: "executor",
  join: "engine",
  branch: "engine",
  approval: "people",
  timer: "timer",
  subworkflow: "child",
  artifact: "engine",
  document: "executor",
  map: "body",
  loop: "body",
};
