// People and programs at the doors: they ask for commands and prints, cancel some, clear the bed, and
// hold locks. They turn to the hub that serves as the leader, and repeat with the same key until they
// hear an answer.

import { between } from "@gantry/shared/base/prng.ts";
import type { Command, CommandBody, Reply } from "@gantry/shared/contract/commands.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import type { World } from "../world.ts";
import { COMMANDS } from "./machine.ts";
import type { Office } from "./office.ts";
import type { HeldLock } from "./truth.ts";

export interface PeopleParts {
  readonly world: World;
  readonly offices: ReadonlyMap<HubId, Office>;
  /** How something reaches the process of a hub. */
  readonly happens: (hub: HubId, run: () => void) => void;
  readonly files: readonly GcodeFacts[];
  readonly locks: Map<number, HeldLock>;
  /** Of a lock's life, the share in which its holder relies on it: clocks here drift. */
  readonly trust: number;
}

export interface People {
  /** What was acknowledged: these must be in every ledger. */
  readonly jobs: ReadonlySet<string>;
  readonly prints: ReadonlySet<string>;
  readonly keptAlive: number;
  /** The house is set up. */
  begin(printers: readonly string[]): void;
  /** Nothing new is asked for; beds are cleared and prints ended all the same. */
  calm(): void;
  /** One command until it is answered; repeated as one request. */
  ask(body: CommandBody): Promise<Reply>;
}

const ANSWER_MS = 1_500;
const LINK_MS_MAX = 3;
const BED_MS = 700;

export function startPeople(parts: PeopleParts): People {
  const { world, offices, locks } = parts;
  const { random } = world;
  const jobs = new Set<string>();
  const prints = new Set<string>();
  let count = 0;
  let keptAlive = 0;
  let isCalm = false;

  const serving = (): Office | undefined =>
    [...offices.values()].find(({ serving }) => serving.desk !== undefined);

  const after = (ms: number): Promise<void> => new Promise((resolve) => world.after(ms, resolve));

  /** What the office answers, if it does in time. */
  function visit<T>(office: Office, work: () => Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      world.after(ANSWER_MS, () => resolve(undefined));
      const later = (value: T | undefined): void =>
        world.after(random() * LINK_MS_MAX, () => resolve(value));
      world.after(random() * LINK_MS_MAX, () =>
        parts.happens(office.hubId, () => {
          if (offices.get(office.hubId) !== office || office.serving.desk === undefined) {
            return later(undefined);
          }
          work().then(later, () => later(undefined));
        }),
      );
    });
  }

  async function ask(body: CommandBody): Promise<Reply> {
    count += 1;
    const key = `ask${count}`;
    for (;;) {
      const office = serving();
      const reply =
        office === undefined
          ? undefined
          : await visit(office, () => {
              const command = {
                atMs: office.hub.stampMs(),
                actor: "ada",
                requestId: `${key}.${world.events}`,
                replay: { key, requestSha256: key.padEnd(64, "0") },
                ...body,
              } as Command;
              return office.hub.replica.propose(command, new AbortController().signal);
            });
      if (reply !== undefined) return reply;
      await after(20 + random() * 80);
    }
  }

  async function orderCommands(): Promise<void> {
    for (;;) {
      await after(random() * 900);
      if (isCalm) return;
      const command = COMMANDS[between(random, 0, COMMANDS.length - 1)];
      if (command === undefined) return;
      const { name, effect } = command;
      count += 1;
      const job = `job_${count}`;
      const input = { command: name, args: { job } };
      const reply = await ask({
        type: "jobAdded",
        job,
        kind: "command",
        class: "normal",
        effect,
        needs: `command:${name}`,
        input,
        attemptsMax: 5,
        timeoutMs: 4_000,
      });
      if (reply.ok) jobs.add(job);
      if (random() < 0.1) await ask({ type: "jobCancelled", job });
    }
  }

  async function orderPrints(printer: string): Promise<void> {
    for (;;) {
      await after(random() * 4_000);
      if (isCalm) return;
      const gcode = parts.files[between(random, 0, parts.files.length - 1)];
      if (gcode === undefined) return;
      count += 1;
      const job = `print_${count}`;
      const reply = await ask({ type: "printSubmitted", job, printer, name: job, gcode });
      if (reply.ok) prints.add(job);
      if (random() < 0.25) {
        await after(random() * 3_000);
        await ask({ type: "printWished", job, wish: "cancel" });
      }
    }
  }

  async function clearBeds(): Promise<void> {
    for (;;) {
      await after(BED_MS);
      const rows = serving()?.hub.rows;
      for (const device of rows?.hot("device").values() ?? []) {
        if (device.bed === "part" && device.printer.phase !== "printing") {
          await ask({ type: "bedCleared", device: device.id });
        }
      }
    }
  }

  /** True while it is held: kept alive in the leader's memory, or by the log. */
  async function keep(lock: HeldLock, ttlMs: number): Promise<boolean> {
    const office = serving();
    if (office === undefined) return true;
    const askedAt = world.now;
    const answer = await visit(office, () =>
      Promise.resolve(office.hands.registry.keepAlive(lock.name, lock.token)),
    );
    if (answer === "kept") {
      keptAlive += 1;
      lock.safeUntil = Math.max(lock.safeUntil, askedAt + ttlMs * parts.trust);
      return true;
    }
    if (answer !== "log") return answer === undefined;
    const reply = await ask({ type: "lockRenewed", name: lock.name, token: lock.token });
    return reply.ok;
  }

  async function holdLocks(owner: string): Promise<void> {
    for (;;) {
      await after(random() * 1_000);
      if (isCalm) return;
      const name = `lock${between(random, 1, 2)}`;
      const ttlMs = between(random, 1_500, 5_000);
      const reply = await ask({ type: "lockAcquired", name, owner, ttlMs });
      if (!reply.ok) continue;
      const { token } = reply.value as { readonly token: number };
      const lock: HeldLock = { name, token, safeUntil: 0 };
      locks.set(token, lock);
      const untilMs = world.now + random() * 12_000;
      while (world.now < untilMs && (await keep(lock, ttlMs))) await after(ttlMs / 4);
      if (random() < 0.5) continue; // its holder is gone; it expires
      lock.safeUntil = 0;
      await ask({ type: "lockReleased", name, token });
    }
  }

  return {
    jobs,
    prints,
    get keptAlive() {
      return keptAlive;
    },
    calm() {
      isCalm = true;
    },
    ask,
    begin(printers) {
      for (let n = 0; n < 2; n += 1) void orderCommands();
      for (const printer of printers) void orderPrints(printer);
      for (const owner of ["ada", "bo"]) void holdLocks(owner);
      void clearBeds();
    },
  };
}
