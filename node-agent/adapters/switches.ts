// Switches outputs over MQTT and HTTP, and reads them where they tell.

import { readFile } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { OutputWay } from "../rules/outputs.ts";
import type { Switches } from "../runners/outputs.ts";
import { type Broker, hearTopic, sayToTopic } from "./mqtt-topic.ts";

const ANSWER_MS = 3_000;
/** A topic that holds nothing says nothing: then nobody knows. */
const HEAR_MS = 1_000;
const STATE_CHARS = 16_384;

export function makeSwitches(clock: Clock): Switches {
  async function ask(url: string, signal: AbortSignal): Promise<string> {
    try {
      const reply = await fetch(url, {
        signal: clock.timeout(ANSWER_MS, signal),
        redirect: "manual",
      });
      const body = (await reply.text()).slice(0, STATE_CHARS);
      if (reply.ok) return body;
      throw new GantryError("unreachable", `The output answered ${reply.status}`);
    } catch (cause) {
      if (cause instanceof GantryError) throw cause;
      throw new GantryError("unreachable", "The output does not answer", { cause });
    }
  }

  return {
    async write(way, on, signal) {
      if (way.kind === "http") return void (await ask(on ? way.on : way.off, signal));
      const limited = clock.timeout(ANSWER_MS, signal);
      await sayToTopic(await brokerOf(way), way.topic, on ? way.on : way.off, limited);
    },
    async read(way, signal) {
      if (way.kind === "http") {
        return way.state === undefined
          ? undefined
          : (await ask(way.state.url, signal)).includes(way.state.on);
      }
      if (way.stateTopic === undefined) return undefined;
      const limited = clock.timeout(HEAR_MS, signal);
      const words = await hearTopic(await brokerOf(way), way.stateTopic, limited);
      return words.includes(way.on);
    },
  };
}

async function brokerOf(way: Extract<OutputWay, { kind: "mqtt" }>): Promise<Broker> {
  const { host, port, user, passwordFile } = way;
  const password =
    passwordFile === undefined
      ? undefined
      : (await readFile(passwordFile, "utf8").catch(() => "")).trim();
  return { host, port, user, password };
}
