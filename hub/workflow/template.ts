// Values with expressions in them. "${EXPRESSION}" alone gives the expression's value, within a text
// it becomes text; "$${" is a plain "${". Keys of objects are taken as they are.

import type { Expression } from "./cel/evaluate.ts";
import type { Json } from "./json-value.ts";

export type Template =
  | { readonly kind: "plain"; readonly value: Json }
  | { readonly kind: "value"; readonly expression: Expression }
  | { readonly kind: "text"; readonly parts: readonly (string | Expression)[] }
  | { readonly kind: "list"; readonly items: readonly Template[] }
  | {
      readonly kind: "object";
      readonly keys: readonly string[];
      readonly members: readonly Template[];
    };
