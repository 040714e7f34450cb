// Which names an expression reads, macros' own variables left out where they hide one.

import type { Node } from "./ast.ts";

export function namesIn(node: Node): ReadonlySet<string> {
  const names = new Set<string>();
  collect(node, names);
  return names;
}

function collect(node: Node, names: Set<string>): void {
  switch (node.kind) {
    case "literal":
      return;
    case "name":
      names.add(node.name);
      return;
    case "member":
      collect(node.of, names);
      return;
    case "index":
      collect(node.of, names);
      collect(node.key, names);
      return;
    case "call":
      if (node.target !== undefined) collect(node.target, names);
      for (const arg of node.args) collect(arg, names);
      return;
    case "unary":
      collect(node.of, names);
      return;
    case "binary":
      collect(node.left, names);
      collect(node.right, names);
      return;
    case "choice":
      for (const part of [node.test, node.yes, node.no]) collect(part, names);
      return;
    case "list":
      for (const item of node.items) collect(item, names);
      return;
    case "map":
      for (const { key, value } of node.entries) {
        collect(key, names);
        collect(value, names);
      }
  }
}
