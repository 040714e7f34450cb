// The first look at a workflow: is it of a size and shape that may be looked at more closely. What
// its graph and expressions must be is compile.ts.
//
// WV1. Size and depth are known before anything walks the value with more care: a text of 10 MB or a
//      thousand bodies deep costs no more than reading it.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { type Graph, graphSchema } from "@gantry/shared/contract/workflow.ts";
import { type WorkflowFault, workflowFault } from "./fault.ts";
import { measure } from "./json-value.ts";
import { formatPointer } from "./json-pointer.ts";

/** The graph with all defaults filled in. */
export function readGraph(
  given: unknown,
): { readonly graph: Graph } | { readonly faults: readonly WorkflowFault[] } {
  const size = measure(given, LIMIT.documentDepth.max); // WV1
  if (size === "too_deep") return one("too_deep", `Over ${LIMIT.documentDepth.max} values deep`);
  if (size === "not_json") return one("not_a_graph", "It is not JSON");
  if (size.weight > LIMIT.documentWeight.max) {
    return one("too_large", `It weighs ${size.weight}, over ${LIMIT.documentWeight.max}`);
  }
  const read = graphSchema.safeParse(given);
  if (read.success) return { graph: read.data };
  const faults = read.error.issues.slice(0, LIMIT.workflowFaults.max).map(({ path, message }) => {
    const pointer = formatPointer(path.map(String));
    return workflowFault(path.length === 0 ? "not_a_graph" : "bad_field", pointer, message);
  });
  return { faults };
}

const one = (
  code: "too_deep" | "not_a_graph" | "too_large",
  message: string,
): { readonly faults: readonly WorkflowFault[] } => ({
  faults: [workflowFault(code, "", message)],
});
