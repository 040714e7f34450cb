// What a CEL text says, as a tree (cel-spec, doc/langdef.md, "Syntax"). Macros are calls like others
// here; evaluate.ts knows which arguments they bind.

import type { Json } from "../json-value.ts";

export type Unary = "!" | "-";
export type Binary =
  | "||"
  | "&&"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "in"
  | "+"
  | "-"
  | "*"
  | "/"
  | "%";

/** `at`: offset of the first character in the text, for messages. */
export type Node =
  | { readonly kind: "literal"; readonly at: number; readonly value: Json }
  | { readonly kind: "name"; readonly at: number; readonly name: string }
  | { readonly kind: "member"; readonly at: number; readonly of: Node; readonly name: string }
  | { readonly kind: "index"; readonly at: number; readonly of: Node; readonly key: Node }
  | {
      readonly kind: "call";
      readonly at: number;
      /** Of `x.f(y)`: x. */
      readonly target: Node | undefined;
      readonly name: string;
      readonly args: readonly Node[];
    }
  | { readonly kind: "unary"; readonly at: number; readonly op: Unary; readonly of: Node }
  | {
      readonly kind: "binary";
      readonly at: number;
      readonly op: Binary;
      readonly left: Node;
      readonly right: Node;
    }
  | {
      readonly kind: "choice";
      readonly at: number;
      readonly test: Node;
      readonly yes: Node;
      readonly no: Node;
    }
  | { readonly kind: "list"; readonly at: number; readonly items: readonly Node[] }
  | {
      readonly kind: "map";
      readonly at: number;
      readonly entries: readonly { readonly key: Node; readonly value: Node }[];
    };
