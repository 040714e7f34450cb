// What each kind of variable accepts, and how its text becomes a value.

import { unreachable } from "../base/assert.ts";
import { type Kind, type Kinds, LOG_LEVELS, type Variable } from "./variables.ts";

const TRUE = new Set(["1", "true", "yes", "on"]);
const FALSE = new Set(["0", "false", "no", "off"]);
const PAIR_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What is wrong with this text, to follow the variable's name; undefined when nothing is. */
export function faultOf(variable: Variable, text: string): string | undefined {
  switch (variable.kind) {
    case "text":
    case "path":
    case "secret":
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      return /[\u0000-\u001f\u007f]/.test(text) ? "has a control character" : undefined;
    case "int":
      return intFault(text, variable.min ?? 0, variable.max ?? Number.MAX_SAFE_INTEGER);
    case "portOrOff":
      return text === "off" ? undefined : intFault(text, 0, 65_535)?.concat(", or off");
    case "bool":
      return TRUE.has(text.toLowerCase()) || FALSE.has(text.toLowerCase())
        ? undefined
        : `is "${text}": use 1 or 0`;
    case "url":
      return urlFault(text, variable.schemes ?? ["https", "http"]);
    case "list":
      return items(text).some((item) => item === "") ? "has an empty item" : undefined;
    case "pairs":
      return pairsFault(text);
    case "level":
      return LOG_LEVELS.some((level) => level === text)
        ? undefined
        : `is "${text}": use ${LOG_LEVELS.join(", ")}`;
    default:
      return unreachable(variable.kind);
  }
}

/** The value of text without a fault. */
export function parseValue(variable: Variable, text: string): Kinds[Kind] {
  switch (variable.kind) {
    case "text":
    case "path":
    case "secret":
    case "level":
      return text;
    case "url":
      return text.replace(/\/+$/, "");
    case "int":
      return Number(text);
    case "portOrOff":
      return text === "off" ? "off" : Number(text);
    case "bool":
      return TRUE.has(text.toLowerCase());
    case "list":
      return items(text);
    case "pairs":
      return Object.fromEntries(items(text).map(splitPair));
    default:
      return unreachable(variable.kind);
  }
}

/** The text as it may be shown: without the secret itself, or the one inside an address. */
export function redacted(variable: Variable, text: string): string {
  if (variable.kind === "secret") return "(set)";
  return text
    .replaceAll(/\/\/[^/@\s,]+@/g, "//***@")
    .replaceAll(/([?&](?:code|key|pass|password|secret|token)=)[^&,]*/gi, "$1***");
}

function intFault(text: string, min: number, max: number): string | undefined {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return undefined;
  return `is "${text}": use a whole number from ${min} to ${max}`;
}

function urlFault(text: string, schemes: readonly string[]): string | undefined {
  const scheme = /^([a-z]+):\/\/[^\s]+$/.exec(text)?.[1];
  if (scheme !== undefined && schemes.includes(scheme) && URL.canParse(text)) return undefined;
  // The text is not repeated: an address may carry a password.
  return `is not an address: use ${schemes.map((one) => `${one}://...`).join(" or ")}`;
}

function pairsFault(text: string): string | undefined {
  const pairs = items(text).map(splitPair);
  const names = pairs.map(([name]) => name);
  const bad = pairs.find(([name, value]) => !PAIR_NAME.test(name) || value === "");
  if (bad !== undefined) return `has "${bad[0]}" where NAME=VALUE belongs`;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? undefined : `names ${twice} twice`;
}

const items = (text: string): string[] =>
  text === "none" ? [] : text.split(",").map((item) => item.trim());

function splitPair(item: string): [name: string, value: string] {
  const cut = item.indexOf("=");
  return cut < 0 ? [item, ""] : [item.slice(0, cut).trim(), item.slice(cut + 1).trim()];
}
