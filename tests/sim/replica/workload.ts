// Clients of the replicas: flags as registers, locks with fencing tokens, every write with an
// idempotency key so that a repeated request must get its first answer.
//
// Y1. A request that is repeated is done once: all its answers are the same.
// Y2. A lock whose holder was told "renewed" is not expired before its time is over.

import { between } from "@gantry/shared/base/prng.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Command, CommandBody, Reply } from "@gantry/shared/contract/commands.ts";
import type { Operation } from "../../lincheck/history.ts";
import type { Replica } from "../../../hub/replica/replica.ts";
import { check, type World } from "../world.ts";
import type { Member } from "./member.ts";

export interface Held {
  readonly client: string;
  readonly name: string;
  readonly token: number;
  /** Virtual ms: the holder may rely on the lock until then. */
  safeUntil: number;
}

export interface Workload {
  history(): readonly Operation[];
  readonly acknowledged: number;
  /** By token. */
  readonly held: ReadonlyMap<number, Held>;
  stop(): void;
}

export const TTL_MS = 400;
const LINK_MS_MAX = 3;
const SURELY_NOT = new Set(["no_leader", "busy", "stopping"]);

type Told =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" };

export function startWorkload(
  world: World,
  members: readonly Member[],
  clients: number,
  patienceMs: number,
): Workload {
  const { random } = world;
  const history: Operation[] = [];
  const open = new Map<string, Operation>();
  const held = new Map<number, Held>();
  const answers = new Map<string, string>();
  let acknowledged = 0;
  let isStopped = false;

  const later = (ms: number, run: () => void): void => world.after(ms, run);

  function startClient(number: number): void {
    const client = `c${number}`;
    let target = between(random, 0, members.length - 1);
    let sequence = 0;
    let mine: Held | undefined;

    const think = (): void => {
      if (!isStopped) later(random() * 30, next);
    };

    /** One attempt at one hub; `told` comes once. */
    function attempt(command: Command, told: (told: Told) => void): void {
      let isTold = false;
      const tell = (what: Told): void => {
        if (isTold) return;
        isTold = true;
        told(what);
      };
      const member = members[target];
      later(random() * LINK_MS_MAX, () => {
        if (member?.isUp !== true) return tell({ kind: "refused" });
        member.happens(() => {
          const { replica } = member;
          if (replica === undefined) return tell({ kind: "refused" });
          replica.propose(command, new AbortController().signal).then(
            (reply) => later(random() * LINK_MS_MAX, () => tell({ kind: "reply", reply })),
            (error: unknown) => {
              const isSure = error instanceof GantryError && SURELY_NOT.has(error.code);
              later(random() * LINK_MS_MAX, () => tell({ kind: isSure ? "refused" : "unknown" }));
            },
          );
        });
      });
      later(patienceMs, () => tell({ kind: "unknown" }));
    }

    /** Repeats with the same key until it is answered or given up; the first answer is the only one (Y1). */
    function ask(body: CommandBody, ended: (told: Told) => void): void {
      sequence += 1;
      const key = `${client}.${sequence}`;
      let isUncertain = false;
      const giveUpAt = world.now + patienceMs * between(random, 1, 5);
      const again = (): void => {
        const command = {
          atMs: 1_700_000_000_000 + Math.round(world.now),
          actor: client,
          requestId: `${key}.${world.events}`,
          replay: { key, requestSha256: key.padEnd(64, "0") },
          ...body,
        } as Command;
        attempt(command, (told) => {
          if (told.kind === "reply") {
            // A refusal changed nothing and is judged anew; what was done is done once.
            const text = JSON.stringify(told.reply);
            const before = answers.get(key);
            check(
              before === undefined || before === text,
              () => `Y1 ${key} was answered ${before}, then ${text}`,
            );
            if (told.reply.ok) answers.set(key, text);
            // What an earlier, unanswered attempt may still do is unknown.
            const isOpen = isUncertain && !told.reply.ok;
            // Now and then the client did not hear it, and asks again.
            if (random() < 0.1 && world.now < giveUpAt) {
              isUncertain = true;
              again();
            } else ended(isOpen ? { kind: "unknown" } : told);
            return;
          }
          isUncertain ||= told.kind === "unknown";
          target = between(random, 0, members.length - 1);
          if (world.now >= giveUpAt) ended({ kind: isUncertain ? "unknown" : "refused" });
          else later(5 + random() * 20, again);
        });
      };
      again();
    }

    function write(
      operation: Operation,
      body: CommandBody,
      done: (reply: Reply | undefined) => Operation,
    ): void {
      open.set(client, operation);
      ask(body, (told) => {
        open.delete(client);
        const reply = told.kind === "reply" ? told.reply : undefined;
        if (reply?.ok === true) acknowledged += 1;
        const status = told.kind === "unknown" ? "unknown" : reply?.ok === true ? "ok" : "fail";
        history.push({ ...done(reply), end: world.now, status });
        think();
      });
    }

    function read(key: string): void {
      const start = world.now;
      const member = members[between(random, 0, members.length - 1)];
      let isDone = false;
      const end = (): void => {
        if (isDone) return;
        isDone = true;
        think();
      };
      later(patienceMs * 2, end);
      later(random() * LINK_MS_MAX, () => {
        if (member?.isUp !== true) return end();
        member.happens(() => {
          const { replica } = member;
          if (replica === undefined) return end();
          replica.barrier(new AbortController().signal).then(
            () => seenBy(replica),
            () => later(5, end),
          );
        });
      });

      function seenBy(replica: Replica): void {
        const value = replica.ledger.rows.get("flag", key)?.value;
        later(random() * LINK_MS_MAX, () => {
          if (isDone) return;
          const seen = typeof value === "number" ? String(value) : undefined;
          const told = { client, start, end: world.now, status: "ok" } as const;
          history.push({ ...told, op: "get", key, value: seen });
          end();
        });
      }
    }

    function lock(): void {
      const start = world.now;
      const base = { client, start, end: start, status: "unknown" } as const;
      if (mine === undefined) {
        const name = `lock${between(random, 1, 2)}`;
        const operation: Operation = { ...base, op: "acquire", key: name };
        write(operation, { type: "lockAcquired", name, owner: client, ttlMs: TTL_MS }, (reply) => {
          if (reply?.ok !== true) return operation;
          const { token } = reply.value as { readonly token: number };
          // The answer may be the one to an acquisition long ago: what it says of now is its token.
          mine = { client, name, token, safeUntil: 0 };
          held.set(token, mine);
          return { ...operation, token };
        });
        return;
      }
      const own = mine;
      const { name, token } = own;
      const isOver = random() < 0.2;
      ask(
        isOver ? { type: "lockReleased", name, token } : { type: "lockRenewed", name, token },
        (told) => {
          if (isOver || told.kind !== "reply" || !told.reply.ok) {
            own.safeUntil = 0;
            mine = undefined;
          } else own.safeUntil = start + TTL_MS; // Y2
          think();
        },
      );
      if (isOver) own.safeUntil = 0;
    }

    function next(): void {
      if (isStopped) return;
      const key = `k${between(random, 1, 3)}`;
      const choice = random();
      const start = world.now;
      const base = { client, key, start, end: start, status: "unknown" } as const;
      if (choice < 0.3) read(key);
      else if (choice < 0.65) {
        const value = number * 1_000_000 + sequence;
        const operation: Operation = { ...base, op: "put", value: String(value) };
        write(operation, { type: "flagSet", key, value }, () => operation);
      } else if (choice < 0.7) {
        const operation: Operation = { ...base, op: "del" };
        write(operation, { type: "flagDeleted", key }, () => operation);
      } else lock();
    }
    think();
  }

  for (let number = 1; number <= clients; number += 1) startClient(number);
  return {
    history: () => [...history, ...open.values()],
    get acknowledged() {
      return acknowledged;
    },
    held,
    stop() {
      isStopped = true;
    },
  };
}
