// What can be wrong with a workflow. Programs match on the code; it never changes its meaning. Each
// fault names its place by a JSON pointer into the graph and says what helps.

import type { CelCode } from "./cel/fault.ts";

const HINTS = {
  not_a_graph: "A workflow is {nodes: {ID: node}, edges: [{from, to}]}.",
  bad_field: "See the schema of this node type.",
  too_large: "Keep large values in blobs, and give their names as inputs.",
  too_deep: "Put the inner part into a workflow of its own and call it with a subworkflow node.",
  too_many_nodes: "Split it, and call the parts with subworkflow nodes.",
  too_many_edges: "Put a join node between the many and the many.",
  empty_graph: "A graph needs at least one node.",
  unknown_node: "An edge or `undo` names a node that is not in the same graph.",
  self_edge: "A node cannot wait for itself; use a loop node.",
  double_edge: "Leave one of the two out.",
  cycle: "Edges may not lead back; what repeats goes into the body of a loop node.",
  unreachable: "Nothing can ever set it off; connect it, or remove it.",
  unknown_label:
    "An edge's `on` is done, failed, skipped, always, or what the node before can take.",
  bad_undo:
    "An undo node has no edges and no undo, undoes one node, and is a function, http, agent or task.",
  bad_count: "A join cannot wait for more edges than lead to it.",
  bad_retry: "Only http, agent, task and subworkflow nodes are tried again.",
  bad_cache: "Only nodes that say `effect: pure` may be cached.",
  once_retry: "A `once` node is never tried again by itself; leave `retry` out.",
  timer_needs_time: "A timer has either `delayMs` or `until`.",
  endless_loop: "`while` reads neither `state` nor `round`, so it never becomes false.",
  too_many_rounds: "Loops within loops may run 1,000,000 rounds in all; lower `maxRounds`.",
  bad_label: "A branch may not take the name of a state: done, failed, skipped, always.",
  unknown_function: "See the list of functions in docs/workflows.md.",
  missing_value: "The function needs this member of `with`.",
  unknown_value: "The function knows no such member of `with`.",
  bad_input: "A default must be of the input's type.",
  missing_input: "Give it, or declare a default for it.",
  unknown_input: "Declare it in the workflow's `inputs`, or correct its name.",
  reads_unknown_node: "Correct the id, or add the node.",
  reads_later_node: "Add edges so that the node it reads comes before it.",
  frozen: "What has begun stays as it is; add new nodes after it, or retry the run from a node.",
  cel_syntax: "Correct the expression at the place given.",
  cel_too_large: "Split the expression over several nodes.",
  cel_unknown_name:
    "An expression sees inputs, nodes, and in a body item and index, or state and round.",
  cel_unknown_function: "See the list of functions in docs/workflows.md.",
  cel_type: "Use string(), int() or double() where a value is of another kind.",
  cel_no_such_member: "Ask with has() first, or read it with get(value, key, otherwise).",
  cel_out_of_bounds: "Ask with size() first.",
  cel_divide_by_zero: "Ask first whether it is 0.",
  cel_overflow: "Numbers are those of JSON, up to about 1.8e308.",
  cel_too_costly: "Split the work over a map node.",
} as const satisfies Readonly<Record<CelCode, string>> & Readonly<Record<string, string>>;

export type WorkflowCode = keyof typeof HINTS;

export interface WorkflowFault {
  readonly code: WorkflowCode;
  /** JSON pointer (RFC 6901) into the graph. */
  readonly pointer: string;
  readonly message: string;
  readonly hint: string;
}

export const workflowFault = (
  code: WorkflowCode,
  pointer: string,
  message: string,
): WorkflowFault => ({ code, pointer, message, hint: HINTS[code] });
