// Test equipment: JSON Patch told as plainly as the RFC does, on deep copies. Slow, without bounds or
// reasons; undefined stands for "refused". Objects are Maps inside, so that no key is special.

import type { Json } from "../json-value.ts";

type Loose = null | boolean | number | string | Loose[] | Map<string, Loose>;

const fromJson = (value: unknown): Loose => {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value as Loose;
  return new Map(Object.entries(value).map(([key, member]) => [key, fromJson(member)]));
};
const toJson = (value: Loose): Json => {
  if (Array.isArray(value)) return value.map(toJson);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, member]) => [key, toJson(member)]));
};

/** One text for one value: members sorted, numbers as ECMAScript writes them. */
const textOf = (value: Loose): string => {
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  const members = [...value].map(([key, member]) => `${JSON.stringify(key)}:${textOf(member)}`);
  return `{${members.toSorted().join()}}`;
};
export const naiveSame = (a: Json | undefined, b: Json | undefined): boolean =>
  a !== undefined && b !== undefined && textOf(fromJson(a)) === textOf(fromJson(b));

class Refused extends Error {}
const refuse = (): never => {
  throw new Refused();
};

function tokensOf(pointer: unknown): string[] {
  if (typeof pointer !== "string") return refuse();
  if (pointer === "") return [];
  const [first, ...tokens] = pointer.split("/");
  if (first !== "") return refuse();
  return tokens.map((token) =>
    token.replaceAll(/~(.?)/g, (_, digit: string) =>
      digit === "0" ? "~" : digit === "1" ? "/" : refuse(),
    ),
  );
}

/** Operations are on a box that holds the document, as RFC 6902 has a root that can be replaced. */
function withParent(box: Loose[], tokens: readonly string[], isNew: boolean): [Loose, string] {
  let parent: Loose = box;
  let last = "0";
  for (const [at, token] of tokens.entries()) {
    parent = childOf(parent, last);
    const isLast = at === tokens.length - 1;
    if (Array.isArray(parent)) {
      const { length } = parent;
      const place = token === "-" ? length : /^(0|[1-9][0-9]*)$/.test(token) ? Number(token) : -1;
      if (place < 0 || place > length || (place === length && !(isLast && isNew))) return refuse();
      last = String(place);
    } else if (parent instanceof Map) {
      if (!parent.has(token) && !(isLast && isNew)) return refuse();
      last = token;
    } else return refuse();
  }
  return [parent, last];
}

function childOf(parent: Loose, token: string): Loose {
  const child = Array.isArray(parent)
    ? parent[Number(token)]
    : parent instanceof Map
      ? parent.get(token)
      : undefined;
  return child === undefined ? refuse() : child;
}

const get = (box: Loose[], tokens: readonly string[]): Loose =>
  childOf(...withParent(box, tokens, false));

function add(box: Loose[], tokens: readonly string[], value: Loose): void {
  const [parent, last] = withParent(box, tokens, true);
  if (parent === box) box[0] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 0, value);
  else if (parent instanceof Map) parent.set(last, value);
}

function remove(box: Loose[], tokens: readonly string[]): void {
  const [parent, last] = withParent(box, tokens, false);
  if (parent === box) refuse();
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (parent instanceof Map) parent.delete(last);
}

function replace(box: Loose[], tokens: readonly string[], value: Loose): void {
  const [parent, last] = withParent(box, tokens, false);
  if (Array.isArray(parent)) parent[Number(last)] = value;
  else if (parent instanceof Map) parent.set(last, value);
}

function step(box: Loose[], given: unknown): void {
  const members = fromJson(given);
  if (!(members instanceof Map)) return refuse();
  const [op, value] = [members.get("op"), members.get("value")];
  const path = tokensOf(members.get("path"));
  const needed = (): Loose => (value === undefined ? refuse() : value);
  const from = (): string[] => tokensOf(members.get("from"));
  if (op === "add") return add(box, path, needed());
  if (op === "remove") return remove(box, path);
  if (op === "replace") return replace(box, path, needed());
  if (op === "copy") return add(box, path, fromJson(toJson(get(box, from()))));
  if (op === "test") return textOf(get(box, path)) === textOf(needed()) ? undefined : refuse();
  if (op !== "move") return refuse();
  const source = from();
  const moved = get(box, source);
  if (path.length > source.length && source.every((token, at) => path[at] === token)) {
    return refuse();
  }
  if (path.length <= source.length && path.every((token, at) => source[at] === token)) {
    return replace(box, path, moved); // over its holder, or to where it is
  }
  remove(box, source);
  add(box, path, moved);
}

export function naivePatch(document: Json, patch: unknown): Json | undefined {
  const box: Loose[] = [fromJson(document)];
  try {
    if (!Array.isArray(patch)) return undefined;
    for (const each of patch) step(box, each);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
  return toJson(box[0] ?? null);
}
