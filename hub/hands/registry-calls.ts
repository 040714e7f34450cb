// What registry clients ask, and what becomes of it: small values, locks, watches. The hub's side of
// shared/contract/registry-ops.ts; every hub has one, leading or not.
// Who may what: registry-rights.ts. Who waits for a lock: registry-waits.ts. How watchers are told: registry-tell.ts.
//
// RC2. `fail` is said only where surely nothing was done; an error after which it may have been is
//      `unknown`.
// RC3. Reads of one turn that must see everything share one round of the log; writes of one turn share
//      an entry.

import { timingSafeEqual } from "node:crypto";
import { sha256 } from "@gantry/shared/base/digest.ts";
import {
  type ErrorCode,
  type ErrorRecord,
  GantryError,
  toErrorRecord,
} from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { RegistryCall, RegistryReply } from "@gantry/shared/contract/registry-ops.ts";
import type { LockReply } from "../desk/lock-waits.ts";
import { act, type Hub, newId } from "../hub.ts";
import type { RegistryClient, RegistryDoor } from "../ports.ts";
import type { RegistryLoop } from "../registry/loop.ts";
import type { RegistryWatches } from "../registry/watching.ts";
import { forbidden, makeRegistryRights, type Who } from "./registry-rights.ts";
import { makeRegistryTeller, type OpenWatch } from "./registry-tell.ts";
import { isWorkCall, makeWorkCalls, type WorkCall, type WorkCalls } from "./work-calls.ts";
import type { Workers } from "./workers.ts";
import { type ClientWaits, makeRegistryWaits } from "./registry-waits.ts";

export interface RegistryCallsParts {
  readonly hub: Hub;
  /** Left out: every keep-alive of a lock is logged. */
  readonly keepAlive?: RegistryLoop["keepAlive"];
  /** Made before this, so that it hears of each event first. */
  readonly watches: Pick<RegistryWatches, "open">;
  readonly workers: Workers;
  readonly signal: AbortSignal;
}

type Call<T extends RegistryCall["op"]> = Extract<RegistryCall, { op: T }>;
type Say = Parameters<RegistryClient["open"]>[0];

/** Errors after which the command may have become a fact (Replica.propose). */
const UNKNOWN: ReadonlySet<ErrorCode> = new Set([
  "disk_full",
  "io_error",
  "outcome_unknown",
  "internal",
]);

export function makeRegistryCalls(parts: RegistryCallsParts): RegistryDoor {
  const { hub, keepAlive, signal } = parts;
  const { rows, replica, clock } = hub;
  const rights = makeRegistryRights(hub);
  const teller = makeRegistryTeller({ hub, watches: parts.watches, signal });
  const waitsOf = makeRegistryWaits(hub);
  let open = 0; // calls under way
  let reads: (() => void)[] = [];
  let writes: (() => void)[] = [];

  // ── writes ────────────────────────────────────────────────────────────────────────────────────

  /** RC3. Many frames are read in one turn of the loop: the first must not leave alone. */
  function writeSoon(work: () => void): void {
    open += 1;
    if (writes.length === 0) setImmediate(writeAll);
    writes.push(work);
  }

  function writeAll(): void {
    const batch = writes;
    writes = [];
    for (const work of batch) work();
  }

  async function write(
    who: Who,
    call: RegistryCall,
    body: CommandBody,
    waits: ClientWaits,
    say: Say,
  ): Promise<void> {
    const by = {
      actor: who.actor,
      requestId: `${who.requests}.${call.id}`,
      ...("session" in call && call.session !== undefined ? { session: call.session } : {}),
    };
    try {
      const done = await act(hub, body, by, signal);
      const isWait = call.op === "acquire" && call.waitMs !== undefined;
      const value = isWait ? await waits.turnOf(call, done as LockReply, by) : done; // domains/locks.ts
      say([{ type: "registryAnswer", id: call.id, result: "ok", value }]);
    } catch (error) {
      say([failed(call.id, error)]);
    } finally {
      open -= 1;
    }
  }

  async function doWork(who: Who, call: WorkCall, work: WorkCalls, say: Say): Promise<void> {
    const session = "session" in call && call.session !== undefined ? call.session : undefined;
    const requestId = `${who.requests}.${call.id}`;
    try {
      await work.take(call, {
        actor: who.actor,
        requestId,
        ...(session === undefined ? {} : { session }),
      });
    } catch (error) {
      say([failed(call.id, error)]);
    } finally {
      open -= 1;
    }
  }

  /** True if the leader's memory is enough. */
  function isKept(call: Call<"renew">, say: Say): boolean {
    if (call.session !== undefined || keepAlive?.(call.name, call.token) !== "kept") return false;
    const row = rows.get("lock", call.name);
    if (row === undefined) return false;
    const { name, owner, token, ttlMs } = row;
    const value = { name, owner, token, ttlMs };
    say([{ type: "registryAnswer", id: call.id, result: "ok", value }]);
    return true;
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────

  function show({ id, key }: Call<"get">, say: Say, ageMs?: number): void {
    const row = rows.get("flag", key);
    const age = ageMs === undefined ? {} : { ageMs };
    const value =
      row === undefined
        ? { key, revision: 0, ...age }
        : { key, value: row.value, revision: row.revision, ...age };
    say([{ type: "registryAnswer", id, result: "ok", value }]);
  }

  function get(call: Call<"get">, say: Say): void {
    const { read = "linearizable" } = call;
    if (read === "local") return show(call, say, replica.status().ageMs);
    if (read === "leader") {
      const { role, leader } = replica.status();
      if (role === "leader") return show(call, say);
      throw new GantryError("no_leader", "This hub does not lead", {
        details: leader === null ? {} : { leader },
      });
    }
    open += 1;
    if (reads.length === 0) setImmediate(readAll);
    reads.push((error?: unknown) => {
      open -= 1;
      if (error === undefined) show(call, say);
      else say([failed(call.id, error)]);
    });
    return undefined;
  }

  /** RC3. */
  function readAll(): void {
    const batch: readonly ((error?: unknown) => void)[] = reads;
    reads = [];
    const finish = (error?: unknown): void => {
      for (const answer of batch) answer(error);
    };
    replica.barrier(clock.timeout(TIMEOUT.proposeMs, signal)).then(() => finish(), finish);
  }

  // ── sessions ──────────────────────────────────────────────────────────────────────────────────

  function clientOf(who: Who): RegistryClient {
    return {
      name: who.token === undefined ? who.node : `${who.actor} at ${who.node}`,
      open(say) {
        const mine = new Map<number, OpenWatch>();
        const waits = waitsOf();

        const { workers } = parts;
        const name = who.token === undefined ? who.node : `${who.actor}@${who.node}`;
        const work = makeWorkCalls({ hub, workers, say, who: name, signal });

        function take(call: RegistryCall): void {
          if (open >= LIMIT.registryCalls.max) throw tooMany();
          if (isWorkCall(call)) {
            rights.check(who, "lock");
            writeSoon(() => void doWork(who, call, work, say));
            return;
          }
          const body = rights.commandOf(who, call);
          if (body !== undefined) {
            if (call.op !== "renew" || !isKept(call, say))
              writeSoon(() => void write(who, call, body, waits, say));
            return;
          }
          rights.check(who, "read");
          if (call.op === "get") get(call, say);
          else if (call.op === "watch") mine.set(call.id, teller.open(call, say));
          else if (call.op === "unwatch") unwatch(call);
          else if (call.op === "unwait") unwait(call);
        }

        function unwatch({ id, watch: named }: Call<"unwatch">): void {
          mine.get(named)?.end();
          mine.delete(named);
          say([{ type: "registryAnswer", id, result: "ok", value: {} }]);
        }

        function unwait({ id, call }: Call<"unwait">): void {
          waits.giveUp(call);
          say([{ type: "registryAnswer", id, result: "ok", value: {} }]);
        }

        return {
          received(calls) {
            for (const call of calls) {
              try {
                take(call);
              } catch (error) {
                say([failed(call.id, error)]);
              }
            }
          },
          end(isGone) {
            for (const watch of mine.values()) watch.end();
            mine.clear();
            work.end();
            waits.end(isGone);
          },
        };
      },
    };
  }

  return {
    async admit({ node, secret, token: tokenSecret }) {
      const isKnown = (): boolean => {
        const row = rows.get("node", node);
        return row !== undefined && row.state !== "removed" && isSecret(secret, row.secretSha256);
      };
      // What was made a moment ago may not be in the rows of a hub that follows.
      const isNew =
        !isKnown() || (tokenSecret !== undefined && rights.tokenOf(tokenSecret) === undefined);
      if (isNew) await replica.barrier(clock.timeout(TIMEOUT.proposeMs, signal)).catch(cannotKnow);
      if (!isKnown()) throw forbidden("This node is not enrolled here");
      const requests = newId(hub, "req");
      if (tokenSecret === undefined)
        return clientOf({ node, token: undefined, actor: `node:${node}`, requests });
      const token = rights.tokenOf(tokenSecret);
      const row = token === undefined ? undefined : rows.get("token", token);
      if (row === undefined) throw forbidden("This token is not known here");
      const who = { node, token: row.id, actor: row.person, requests };
      rights.check(who, "read");
      return clientOf(who);
    },
  };
}

function failed(id: number, error: unknown): RegistryReply {
  const record: ErrorRecord = toErrorRecord(error);
  const result = UNKNOWN.has(record.code) ? "unknown" : "fail"; // RC2
  return { type: "registryAnswer", id, result, error: record };
}

const isSecret = (secret: string, secretSha256: string): boolean =>
  timingSafeEqual(Buffer.from(sha256(secret)), Buffer.from(secretSha256));

/** A hub that does not know what is committed denies nobody for good. */
function cannotKnow(): never {
  throw new GantryError("no_leader", "This hub cannot know now whether this client is enrolled", {
    details: { retryAfterS: 1 },
  });
}

const tooMany = (): GantryError =>
  new GantryError("busy", "Too many registry calls or watches are open", {
    details: { retryAfterS: 1 },
  });
