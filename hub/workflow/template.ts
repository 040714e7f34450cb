// Values with expressions in them. "${EXPRESSION}" alone gives the expression's value, within a text
// it becomes text; "$${" is a plain "${". Keys of objects are taken as they are.

import { bind } from "./cel/evaluate.ts";
import { CelFault } from "./cel/fault.ts";
import { spend, spendChars } from "./cel/fuel.ts";
import { asText } from "./cel/library.ts";
import { parseCel } from "./cel/parse.ts";
import type { Scope } from "./cel/read.ts";
import { isArray, isObject, type Json, setMember } from "./json-value.ts";
import { formatPointer } from "./json-pointer.ts";
import type { RunEnv, RunRead } from "./scope.ts";

export type Template =
  | { readonly kind: "plain"; readonly value: Json }
  | { readonly kind: "value"; readonly read: RunRead }
  | { readonly kind: "text"; readonly parts: readonly (string | RunRead)[] }
  | { readonly kind: "list"; readonly items: readonly Template[] }
  | {
      readonly kind: "object";
      readonly keys: readonly string[];
      readonly members: readonly Template[];
    };

/** Told of each expression that cannot be read, with its place in the value; the rest goes on. */
export type Complain = (path: readonly string[], fault: CelFault) => void;

/** Never throws CelFault: it complains, and what is wrong becomes null. */
export function templateOf(
  value: Json,
  scope: Scope<RunEnv>,
  complain: Complain,
  path: readonly string[] = [],
): Template {
  if (typeof value === "string") return textTemplate(value, scope, complain, path);
  if (isArray(value)) {
    const items = value.map((item, at) => templateOf(item, scope, complain, [...path, `${at}`]));
    const plains = items.flatMap((item) => (item.kind === "plain" ? [item.value] : []));
    return plains.length === items.length ? plain(plains) : { kind: "list", items };
  }
  if (!isObject(value)) return plain(value);
  const keys = Object.keys(value);
  const members = Object.entries(value).map(([key, member]) =>
    templateOf(member, scope, complain, [...path, key]),
  );
  const plains: Record<string, Json> = {};
  for (const [at, member] of members.entries()) {
    if (member.kind !== "plain") return { kind: "object", keys, members };
    setMember(plains, keys[at] ?? "", member.value);
  }
  return plain(plains);
}

const plain = (value: Json): Template => ({ kind: "plain", value });

function textTemplate(
  value: string,
  scope: Scope<RunEnv>,
  complain: Complain,
  path: readonly string[],
): Template {
  if (!value.includes("${")) return plain(value);
  try {
    const parts = partsOf(value).map((part) =>
      part.isExpression ? bind(parseCel(part.text), scope) : part.text,
    );
    const [first] = parts;
    if (parts.length === 1 && typeof first === "function") return { kind: "value", read: first };
    return parts.every((part) => typeof part === "string")
      ? plain(parts.join(""))
      : { kind: "text", parts };
  } catch (error) {
    if (!(error instanceof CelFault)) throw error;
    complain(path, error);
    return plain(null);
  }
}

/** A field that is one expression, with or without "${}". */
export function expressionOf(
  text: string,
  scope: Scope<RunEnv>,
  complain: Complain,
  path: readonly string[],
): RunRead {
  try {
    return bind(parseCel(bare(text)), scope);
  } catch (error) {
    if (!(error instanceof CelFault)) throw error;
    complain(path, error);
    return () => null;
  }
}

/** The expression without its "${}". */
export function bare(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith("${")) return text;
  const parts = partsOf(trimmed);
  const [first] = parts;
  return parts.length === 1 && first?.isExpression === true ? first.text : text;
}

export interface Part {
  readonly text: string;
  readonly isExpression: boolean;
}

/** Throws CelFault cel_syntax if a "${" has no end. */
export function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  let plainText = "";
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("${", at);
    if (open < 0) break;
    if (text[open - 1] === "$" && open > at) {
      plainText += `${text.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    const close = closeOf(text, open + 2);
    plainText += text.slice(at, open);
    if (plainText !== "") parts.push({ text: plainText, isExpression: false });
    plainText = "";
    parts.push({ text: text.slice(open + 2, close), isExpression: true });
    at = close + 1;
  }
  plainText += text.slice(at);
  if (plainText !== "") parts.push({ text: plainText, isExpression: false });
  return parts;
}

/** The brace that ends an expression: braces of maps and those in quotes do not count. */
function closeOf(text: string, from: number): number {
  let depth = 0;
  let quote = "";
  for (let at = from; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (quote !== "") {
      if (char === "\\") at += 1;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "'") quote = char;
    else if (char === "{") depth += 1;
    else if (char === "}") {
      if (depth === 0) return at;
      depth -= 1;
    }
  }
  throw new CelFault("cel_syntax", "An expression has no closing brace", from);
}

/** Throws CelFault. */
export function fill(template: Template, env: RunEnv): Json {
  switch (template.kind) {
    case "plain":
      return template.value;
    case "value":
      return template.read(env);
    case "text":
      return fillText(template.parts, env);
    case "list":
      spend(env.fuel, template.items.length);
      return template.items.map((item) => fill(item, env));
    case "object":
      return fillObject(template.keys, template.members, env);
  }
}

function fillText(parts: readonly (string | RunRead)[], env: RunEnv): string {
  let text = "";
  for (const part of parts) {
    const piece = typeof part === "string" ? part : asText(part(env), env.fuel);
    spendChars(env.fuel, piece.length);
    text += piece;
  }
  return text;
}

export function fillObject(
  keys: readonly string[],
  members: readonly Template[],
  env: RunEnv,
): Readonly<Record<string, Json>> {
  spend(env.fuel, keys.length);
  const made: Record<string, Json> = {};
  for (let at = 0; at < keys.length; at += 1) {
    const member = members[at];
    if (member !== undefined) setMember(made, keys[at] ?? "", fill(member, env));
  }
  return made;
}

export const pointerOf = (path: readonly string[]): string => formatPointer([...path]);
