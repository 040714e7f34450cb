// The first layer: what can be said of a patch without the run. An agent's host runs it before it
// sends; the hub runs it again.
//
// AL1. Only nodes, their members, `/edges/-` and `/output` may be named. Places in `edges` by number
//      are refused: they shift under others' patches, and there are node operations for them.
// AL2. No key and no token is `__proto__`, none leads from `constructor` to `prototype`.
// AL3. Size before content: nothing is walked that is over the bounds.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { formatPointer, parsePointer } from "../json-pointer.ts";
import { isArray, isObject, type Json, type JsonObject, measure, memberOf } from "../json-value.ts";
import { type PatchFault, patchFault } from "./patch-fault.ts";
import { PATCH_BOUNDS } from "./patch-policy.ts";
import type { GraphOperation } from "./patch-types.ts";

const NODE_OPS = new Set(["addNode", "removeNode", "setNode", "addEdge", "removeEdge"]);
const JSON_OPS = new Set(["add", "remove", "replace", "move", "copy", "test"]);

export type Checked =
  | { readonly kind: "operations"; readonly operations: readonly GraphOperation[] }
  | { readonly kind: "faults"; readonly faults: readonly PatchFault[] };

/** The members of an operation that depend on its kind are checked where it is applied. */
export function checkOperations(operations: unknown, reason: unknown): Checked {
  const size = sizeFault(operations, reason);
  if (size !== undefined) return { kind: "faults", faults: [size] }; // AL3
  const given = operations as readonly Json[]; // sizeFault has measured it
  const faults = given.flatMap((each, at) => operationFaults(each, `/operations/${at}`));
  if (faults.length > 0)
    return { kind: "faults", faults: faults.slice(0, LIMIT.workflowFaults.max) };
  return { kind: "operations", operations: given as unknown as readonly GraphOperation[] }; // by their op
}

function sizeFault(operations: unknown, reason: unknown): PatchFault | undefined {
  if (typeof reason !== "string" || reason.trim() === "")
    return patchFault("no_reason", "/reason", "The patch gives no reason");
  if (reason.length > PATCH_BOUNDS.reasonChars.max)
    return patchFault(
      "patch_too_large",
      "/reason",
      `The reason has over ${PATCH_BOUNDS.reasonChars.max} characters`,
    );
  if (!Array.isArray(operations))
    return patchFault("bad_draft", "/operations", "`operations` is not a list");
  if (operations.length === 0)
    return patchFault("empty_patch", "/operations", "The patch changes nothing");
  if (operations.length > LIMIT.patchOperations.max)
    return patchFault(
      "patch_too_large",
      "/operations",
      `There are over ${LIMIT.patchOperations.max} operations`,
    );
  const found = measure(operations, LIMIT.documentDepth.max);
  if (found === "not_json")
    return patchFault("bad_draft", "/operations", "The operations are not JSON");
  if (found === "too_deep" || found.weight > PATCH_BOUNDS.weight.max)
    return patchFault(
      "patch_too_large",
      "/operations",
      "The operations are too many or nested too deeply",
    );
  return undefined;
}

function operationFaults(given: Json, pointer: string): readonly PatchFault[] {
  if (!isObject(given)) return [patchFault("bad_draft", pointer, "An operation is an object")];
  const key = prototypeKey(given, pointer);
  if (key !== undefined) return [patchFault("prototype_key", key, "A key names a prototype")]; // AL2
  const op = memberOf(given, "op");
  if (typeof op !== "string" || !(NODE_OPS.has(op) || JSON_OPS.has(op)))
    return [patchFault("bad_draft", `${pointer}/op`, `There is no operation ${shown(op)}`)];
  if (NODE_OPS.has(op)) return nodeFaults(given, pointer);
  const places = op === "move" || op === "copy" ? ["path", "from"] : ["path"];
  return places.flatMap((name) =>
    placeFaults(op, name, memberOf(given, name), `${pointer}/${name}`),
  );
}

function nodeFaults(given: JsonObject, pointer: string): readonly PatchFault[] {
  const at = memberOf(given, "at");
  const tokens = typeof at === "string" ? parsePointer(at) : [];
  if (tokens !== undefined && namesPrototype(tokens))
    return [patchFault("prototype_key", `${pointer}/at`, "The pointer names a prototype")];
  return [];
}

/** AL1. */
function placeFaults(
  op: string,
  name: string,
  given: Json | undefined,
  pointer: string,
): readonly PatchFault[] {
  const tokens = typeof given === "string" ? parsePointer(given) : undefined;
  if (tokens === undefined)
    return [patchFault("bad_draft", pointer, `${shown(given)} is not a JSON pointer`)];
  if (namesPrototype(tokens))
    return [patchFault("prototype_key", pointer, "The pointer names a prototype")];
  const [first, second] = tokens;
  if (first === "output") return [];
  if (first === "nodes" && second !== undefined) return [];
  if (first === "edges" && second !== undefined) {
    const isAppend = op === "add" && name === "path" && second === "-" && tokens.length === 2;
    if (isAppend) return [];
    return [patchFault("place_by_number", pointer, `${shown(given)} names an edge by its place`)];
  }
  return [patchFault("place_not_open", pointer, `${shown(given)} is not open to patches`)];
}

const shown = (value: Json | undefined): string =>
  (JSON.stringify(value) ?? "nothing").slice(0, 100);

/** AL2. A workshop may well have a node called `prototype`, so the name alone is no crime. */
const namesPrototype = (tokens: readonly string[]): boolean =>
  tokens.some(
    (token, at) =>
      token === "__proto__" || (token === "constructor" && tokens[at + 1] === "prototype"),
  );

/** Where in the value a key names a prototype. */
function prototypeKey(value: Json, pointer: string): string | undefined {
  if (isArray(value)) {
    for (const [at, item] of value.entries()) {
      const found = prototypeKey(item, `${pointer}/${at}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isObject(value)) return undefined;
  for (const key of Object.keys(value)) {
    const member = memberOf(value, key) ?? null;
    const here = `${pointer}${formatPointer([key])}`;
    const leads = key === "constructor" && isObject(member) && Object.hasOwn(member, "prototype");
    if (key === "__proto__" || leads) return here;
    const found = prototypeKey(member, here);
    if (found !== undefined) return found;
  }
  return undefined;
}
