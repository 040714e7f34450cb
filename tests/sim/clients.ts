// Clients of the simulated cluster: each asks one thing at a time, repeats what may be lost with the
// same sequence number, follows hints, gives up after a while, and writes down what it was told.

import { between } from "@gantry/shared/base/prng.ts";
import type { Operation } from "../lincheck/history.ts";
import type { Answer, Hub, Shared } from "./hub/types.ts";
import type { Command } from "./machine.ts";

export interface Clients {
  /** With writes that are not answered yet, as unknown. */
  history(): readonly Operation[];
  readonly acknowledged: number;
  /** No new requests; those under way go on. */
  stop(): void;
}

type Draft = Pick<Command, "op" | "key" | "value" | "old">;

const LINK_MS_MAX = 3;

export function startClients(shared: Shared): Clients {
  const { world, mix, oracle, commands, hubs } = shared;
  const { random } = world;
  const history: Operation[] = [];
  const ids = [...hubs.keys()];
  const open = new Map<number, Operation>();
  let acknowledged = 0;
  let isStopped = false;

  function startClient(number: number): void {
    const client = `c${number}`;
    let target = between(random, 0, ids.length - 1);
    let sequence = 0;
    const lastSeen = new Map<string, string | undefined>();

    const think = (): void => {
      if (!isStopped) world.after(random() * mix.thinkMs * 2, next);
    };

    /** To the hub and back, over a link that does not fail; a hub that is down refuses. */
    function ask(
      call: (hub: Hub, answer: (answer: Answer) => void) => void,
      done: (answer: Answer) => void,
    ): void {
      const hub = hubs.get(ids[target] ?? "");
      if (hub === undefined) return;
      world.after(random() * LINK_MS_MAX, () => {
        call(hub, (answer) => world.after(random() * LINK_MS_MAX, () => done(answer)));
      });
    }

    /** `asked`: how to ask once. Asks until it is answered, or given up. */
    function request(
      asked: (hub: Hub, answer: (answer: Answer) => void) => void,
      ended: (answer: Answer) => void,
    ): void {
      const giveUpAt = world.now + mix.electionTicks * 10 * between(random, 2, 8);
      let isEnded = false;
      let isUncertain = false;
      const attempt = (): void => {
        if (isEnded) return;
        if (world.now >= giveUpAt) {
          isEnded = true;
          ended(isUncertain ? { kind: "lost" } : { kind: "refused", leader: null });
          return;
        }
        let isOpen = true;
        const close = (answer: Answer): void => {
          if (!isOpen) {
            return; // a late answer to an attempt that counts as lost
          }
          isOpen = false;
          if (isEnded) return;
          if (answer.kind === "ok" || answer.kind === "value") {
            isEnded = true;
            ended(answer);
            return;
          }
          if (answer.kind === "lost") isUncertain = true;
          const hint =
            answer.kind === "refused" && answer.leader !== null ? ids.indexOf(answer.leader) : -1;
          const isHintNew = hint !== -1 && hint !== target;
          target = isHintNew ? hint : between(random, 0, ids.length - 1);
          world.after(isHintNew ? 0 : 5 + random() * 20, attempt);
        };
        ask(asked, close);
        world.after(mix.electionTicks * 10 * (0.5 + random() * 2), () => close({ kind: "lost" }));
      };
      attempt();
    }

    function write(draft: Draft): void {
      sequence += 1;
      const start = world.now;
      const own = sequence;
      const { op, key, value, old } = draft;
      open.set(number, { client, start, end: start, status: "unknown", ...draft });
      const asked = (hub: Hub, answer: (answer: Answer) => void): void => {
        const command: Command = {
          id: commands.length,
          client: number,
          sequence: own,
          op,
          key,
          value,
          old,
        };
        commands.push(command);
        hub.propose(command, answer);
      };
      request(asked, (answer) => {
        const status = answer.kind === "ok" ? "ok" : answer.kind === "refused" ? "fail" : "unknown";
        open.delete(number);
        const base = { client, key, start, end: world.now, status } as const;
        const result = answer.kind === "ok" ? answer.result : undefined;
        if (answer.kind === "ok") {
          acknowledged += 1;
          oracle.answered(answer.index);
        }
        if (op === "acquire") {
          history.push({ ...base, op, token: result?.kind === "token" ? result.token : undefined });
        } else if (op === "cas") {
          const swapped = result?.kind === "swapped" ? result.swapped : undefined;
          history.push({ ...base, op, old, value, swapped });
          if (swapped === true) lastSeen.set(key, value);
        } else history.push(op === "put" ? { ...base, op, value } : { ...base, op });
        think();
      });
    }

    function readKey(key: string): void {
      const start = world.now;
      const floor = oracle.acknowledged;
      let from = "";
      const asked = (hub: Hub, answer: (answer: Answer) => void): void => {
        from = hub.id;
        hub.read(key, answer);
      };
      if (random() < 0.5) target = between(random, 0, ids.length - 1); // any hub serves reads
      request(asked, (answer) => {
        if (answer.kind === "value") {
          oracle.read(from, floor, answer.index);
          lastSeen.set(key, answer.value);
          const base = { client, key, start, end: world.now, status: "ok" } as const;
          history.push({ ...base, op: "get", value: answer.value });
        }
        think();
      });
    }

    function next(): void {
      if (isStopped) return;
      const key = `k${between(random, 1, mix.keys)}`;
      const value = `${client}.${sequence + 1}`;
      const choice = random();
      if (choice < 0.35) readKey(key);
      else if (choice < 0.7) write({ op: "put", key, value });
      else if (choice < 0.85) write({ op: "cas", key, value, old: lastSeen.get(key) });
      else if (choice < 0.9) write({ op: "del", key, value: "" });
      else write({ op: "acquire", key: `lock${key}`, value });
    }
    think();
  }

  for (let number = 1; number <= mix.clients; number += 1) startClient(number);
  return {
    history: () => [...history, ...open.values()],
    get acknowledged() {
      return acknowledged;
    },
    stop() {
      isStopped = true;
    },
  };
}
