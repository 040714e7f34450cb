// Relays, lights and doors: how one is switched, and when it may be. Pure.
//
// OU1. An output that needs others is switched on only while those are on; one that others which are on
//      need is not switched off. The refusal names them and says what to do first.
// OU2. What is not known to be on is not on.
// OU3. An address comes from the list of this machine, never from a request.

import { GantryError } from "@gantry/shared/base/errors.ts";

/** A topic of MQTT (Tasmota, Shelly), or addresses of HTTP (Shelly, Tasmota, most plugs). */
export type OutputWay =
  | {
      readonly kind: "mqtt";
      readonly host: string;
      readonly port: number;
      readonly user?: string;
      readonly passwordFile?: string;
      readonly topic: string;
      readonly on: string;
      readonly off: string;
      /** Where it says how it is; `on` and `off` are looked for in what it says. */
      readonly stateTopic?: string;
    }
  | {
      readonly kind: "http";
      readonly on: string;
      readonly off: string;
      readonly state?: { readonly url: string; readonly on: string };
    };

/** Throws an Error that says what is wrong. */
export function readOutput(value: unknown): OutputWay {
  if (typeof value !== "object" || value === null) throw new Error("must be an object");
  const { mqtt, http } = value as { mqtt?: unknown; http?: unknown };
  if ((mqtt === undefined) === (http === undefined)) throw new Error("needs mqtt or http");
  return mqtt === undefined ? httpWay(record(http)) : mqttWay(record(mqtt));
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null)
    return value as Readonly<Record<string, unknown>>;
  throw new Error("must be an object");
}

function textIn(from: Readonly<Record<string, unknown>>, name: string, usual?: string): string {
  const value = from[name] ?? usual;
  if (typeof value === "string" && value !== "" && value.length <= 500) return value;
  throw new Error(`needs ${name}`);
}

function topicIn(from: Readonly<Record<string, unknown>>, name: string): string {
  const topic = textIn(from, name);
  if (/[+#\0]/.test(topic)) throw new Error(`${name} is one topic, without + and #`);
  return topic;
}

function mqttWay(from: Readonly<Record<string, unknown>>): OutputWay {
  const { port = 1_883 } = from;
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error("port is 1 to 65535");
  }
  return {
    kind: "mqtt",
    host: textIn(from, "host"),
    port,
    topic: topicIn(from, "topic"),
    on: textIn(from, "on", "ON"),
    off: textIn(from, "off", "OFF"),
    ...(from["user"] === undefined ? {} : { user: textIn(from, "user") }),
    ...(from["passwordFile"] === undefined ? {} : { passwordFile: textIn(from, "passwordFile") }),
    ...(from["stateTopic"] === undefined ? {} : { stateTopic: topicIn(from, "stateTopic") }),
  };
}

function httpWay(from: Readonly<Record<string, unknown>>): OutputWay {
  const url = (name: string, of = from): string => {
    const text = textIn(of, name);
    const { protocol = "" } = URL.parse(text) ?? {};
    if (!/^https?:$/.test(protocol)) throw new Error(`${name} is an address of HTTP`);
    return text;
  };
  const ways = { kind: "http", on: url("on"), off: url("off") } as const;
  if (from["state"] === undefined) return ways;
  const state = record(from["state"]);
  return { ...ways, state: { url: url("url", state), on: textIn(state, "on") } };
}

/** `on`: what is known to be on (OU2). Throws conflict. */
export function checkSwitch(
  name: string,
  turnsOn: boolean,
  needsOf: ReadonlyMap<string, readonly string[]>,
  isOn: (output: string) => boolean,
): void {
  if (turnsOn) return checkNeeds(name, needsOf.get(name) ?? [], isOn);
  const users = [...needsOf].filter(([other, needs]) => needs.includes(name) && isOn(other));
  if (users.length === 0) return;
  const others = users.map(([other]) => other);
  throw new GantryError("conflict", `${name} stays on: ${others.join(", ")} is on and needs it`, {
    details: { output: name, neededBy: others, hint: `Switch ${others.join(", ")} off first.` },
  });
}

/** OU1. Throws conflict. */
export function checkNeeds(
  name: string,
  needs: readonly string[],
  isOn: (output: string) => boolean,
): void {
  const missing = needs.filter((need) => !isOn(need));
  if (missing.length === 0) return;
  const list = missing.join(", ");
  throw new GantryError("conflict", `${list} must be on before ${name}`, {
    details: { output: name, missing, hint: `Switch ${list} on first.` },
  });
}
