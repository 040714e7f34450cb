// What registry clients ask, and what becomes of it: small values, locks, watches. The hub's side of
// shared/contract/registry-ops.ts; every hub has one, leading or not.
//
// RC1. A node may read everything, write keys under NODE_KEYS, and use locks. With a token a client may
//      what the token's role may: an operator writes all keys, a viewer none. Asked anew at each call.
// RC2. `fail` is said only where surely nothing was done; an error after which it may have been is
//      `unknown`.
// RC3. Reads of one turn that must see everything share one round of the log; writes of one turn share
//      an entry.
// RC4. A watcher whose queue is full keeps its place and what it was just to be told; when it has fallen
//      too far behind, registry/watches.ts gives it a snapshot. Nothing is lost in silence.
// RC5. A silent watch gets a mark of progress every TIMEOUT.watchProgressMs.

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
import {
  NODE_KEYS,
  type RegistryCall,
  type RegistryReply,
} from "@gantry/shared/contract/registry-ops.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import { parseSelector } from "@gantry/shared/contract/selector.ts";
import { WATCH_KINDS, type WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { act, type Hub, newId } from "../hub.ts";
import { ledgerTimeMs } from "../ledger/context.ts";
import type { RegistryClient, RegistryDoor } from "../ports.ts";
import type { RegistryLoop } from "../registry/loop.ts";
import { watchFilter, type Watcher } from "../registry/watches.ts";
import type { RegistryWatches } from "../registry/watching.ts";

export interface RegistryCallsParts {
  readonly hub: Hub;
  /** Left out: every keep-alive of a lock is logged. */
  readonly keepAlive?: RegistryLoop["keepAlive"];
  /** Made before this, so that it hears of each event first. */
  readonly watches: Pick<RegistryWatches, "open">;
  readonly signal: AbortSignal;
}

type Call<T extends RegistryCall["op"]> = Extract<RegistryCall, { op: T }>;
type Say = Parameters<RegistryClient["open"]>[0];

interface Who {
  readonly node: string;
  /** Id of the token that it came with. */
  readonly token: string | undefined;
  readonly actor: string;
  /** With the number of a call: its request id, in the audit. One draw of chance for all of a session. */
  readonly requests: string;
}

interface Watch {
  readonly watcher: Watcher;
  readonly id: number;
  readonly say: Say;
  /** RC4. */
  held: readonly WatchMessage[];
  saidMs: number;
}

const RETRY_FULL_MS = 10;
const PROGRESS_LOOK_MS = 1_000;

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
  const watches = new Set<Watch>();
  let open = 0; // calls under way
  let reads: (() => void)[] = [];
  let writes: (() => void)[] = [];
  let isRetrying = false;

  // ── who may what (RC1) ────────────────────────────────────────────────────────────────────────

  function tokenOf(secret: string): string | undefined {
    const hash = sha256(secret);
    return [...rows.hot("token").values()].find((row) => row.secretSha256 === hash)?.id;
  }

  /** Throws forbidden. */
  function check({ node, token }: Who, need: "read" | "lock" | "write"): void {
    if (rows.get("node", node)?.state === "removed") throw forbidden("This node was removed");
    if (token === undefined) {
      if (need !== "write") return;
      throw forbidden(`A node writes keys under ${NODE_KEYS} only`);
    }
    const row = rows.get("token", token);
    const nowMs = Math.max(clock.now(), ledgerTimeMs(rows)); // never back in time
    const isValid =
      row !== undefined && row.revokedAtMs === undefined && (row.expiresAtMs ?? Infinity) > nowMs;
    if (!isValid) throw forbidden("This token is not valid any more");
    if (need !== "read" && !mayAct(row.role, "operator"))
      throw forbidden("This token may only read");
  }

  function checkKey(who: Who, key: string): void {
    check(who, who.token === undefined && key.startsWith(NODE_KEYS) ? "lock" : "write");
  }

  // ── writes ────────────────────────────────────────────────────────────────────────────────────

  /** The command of a call that makes one; undefined for the others. Throws forbidden, too_large. */
  function commandOf(who: Who, call: RegistryCall): CommandBody | undefined {
    switch (call.op) {
      case "put":
        checkKey(who, call.key);
        checkSize(call.value);
        return {
          type: "flagSet",
          key: call.key,
          value: call.value,
          ...(call.ifRevision === undefined ? {} : { ifRevision: call.ifRevision }),
        };
      case "delete":
        checkKey(who, call.key);
        return {
          type: "flagDeleted",
          key: call.key,
          ...(call.ifRevision === undefined ? {} : { ifRevision: call.ifRevision }),
        };
      case "acquire":
        check(who, "lock");
        return {
          type: "lockAcquired",
          name: call.name,
          owner: call.owner ?? who.actor,
          ttlMs: call.ttlMs,
          ...(call.isOfNode === true ? { node: who.node } : {}),
        };
      case "renew":
        check(who, "lock");
        return { type: "lockRenewed", name: call.name, token: call.token };
      case "release":
        check(who, "lock");
        return { type: "lockReleased", name: call.name, token: call.token };
      case "openSession":
        check(who, "lock");
        return { type: "sessionOpened", clientSession: newId(hub, "ses") };
      case "closeSession":
        return { type: "sessionClosed", clientSession: call.clientSession };
      case "get":
      case "watch":
      case "unwatch":
        return undefined;
    }
  }

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

  async function write(who: Who, call: RegistryCall, body: CommandBody, say: Say): Promise<void> {
    const by = {
      actor: who.actor,
      requestId: `${who.requests}.${call.id}`,
      ...("session" in call && call.session !== undefined ? { session: call.session } : {}),
    };
    try {
      const value = await act(hub, body, by, signal);
      say([{ type: "registryAnswer", id: call.id, result: "ok", value }]);
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

  // ── watches ───────────────────────────────────────────────────────────────────────────────────

  function openWatch(call: Call<"watch">, say: Say): Watch {
    if (watches.size >= LIMIT.registryWatches.max) throw tooMany();
    const { kinds, prefix, selector, since, isResumed } = call;
    const filter = watchFilter({
      kinds: kinds === undefined ? undefined : kindsOf(kinds),
      prefix,
      selector: selector === undefined ? undefined : parseSelector(selector),
    });
    const watcher = parts.watches.open(filter, since, isResumed);
    const value = { revision: watcher.revision };
    say([{ type: "registryAnswer", id: call.id, result: "ok", value }]);
    const watch: Watch = { watcher, id: call.id, say, held: [], saidMs: clock.monotonic() };
    watches.add(watch);
    tell(watch);
    return watch;
  }

  /** False if it could not be told everything (RC4). */
  function tell(watch: Watch): boolean {
    for (;;) {
      const messages = watch.held.length > 0 ? watch.held : watch.watcher.next();
      if (messages.length === 0) return true;
      watch.held = messages;
      if (watch.say([{ type: "registryNews", id: watch.id, messages }]) !== "sent") return false;
      watch.held = [];
      watch.saidMs = clock.monotonic();
    }
  }

  function tellAll(): void {
    let isBehind = false;
    for (const watch of watches) isBehind = !tell(watch) || isBehind;
    if (!isBehind || isRetrying) return;
    isRetrying = true;
    void retry().catch(() => {}); // the hub ends
  }

  async function retry(): Promise<void> {
    await clock.sleep(RETRY_FULL_MS, signal);
    isRetrying = false;
    tellAll();
  }

  hub.feed.watch(() => {
    if (watches.size > 0) tellAll();
  }, signal);

  /** RC5. */
  async function showProgress(): Promise<void> {
    for (;;) {
      await clock.sleep(PROGRESS_LOOK_MS, signal);
      const nowMs = clock.monotonic();
      for (const watch of watches) {
        if (nowMs - watch.saidMs < TIMEOUT.watchProgressMs || watch.held.length > 0) continue;
        watch.saidMs = nowMs;
        const messages = [watch.watcher.progress()];
        watch.say([{ type: "registryNews", id: watch.id, messages }]);
      }
    }
  }
  void showProgress().catch(() => {}); // the hub ends

  // ── sessions ──────────────────────────────────────────────────────────────────────────────────

  function clientOf(who: Who): RegistryClient {
    return {
      name: who.token === undefined ? who.node : `${who.actor} at ${who.node}`,
      open(say) {
        const mine = new Map<number, Watch>();

        function take(call: RegistryCall): void {
          if (open >= LIMIT.registryCalls.max) throw tooMany();
          const body = commandOf(who, call);
          if (body !== undefined) {
            if (call.op !== "renew" || !isKept(call, say))
              writeSoon(() => void write(who, call, body, say));
            return;
          }
          check(who, "read");
          if (call.op === "get") get(call, say);
          else if (call.op === "watch") mine.set(call.id, openWatch(call, say));
          else if (call.op === "unwatch") unwatch(call);
        }

        function unwatch({ id, watch: named }: Call<"unwatch">): void {
          const watch = mine.get(named);
          if (watch !== undefined) watches.delete(watch);
          mine.delete(named);
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
          end() {
            for (const watch of mine.values()) watches.delete(watch);
            mine.clear();
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
      const isNew = !isKnown() || (tokenSecret !== undefined && tokenOf(tokenSecret) === undefined);
      if (isNew) await replica.barrier(clock.timeout(TIMEOUT.proposeMs, signal)).catch(() => {});
      if (!isKnown()) throw forbidden("This node is not enrolled here");
      const requests = newId(hub, "req");
      if (tokenSecret === undefined)
        return clientOf({ node, token: undefined, actor: `node:${node}`, requests });
      const token = tokenOf(tokenSecret);
      const row = token === undefined ? undefined : rows.get("token", token);
      if (row === undefined) throw forbidden("This token is not known here");
      const who = { node, token: row.id, actor: row.person, requests };
      check(who, "read");
      return clientOf(who);
    },
  };
}

function failed(id: number, error: unknown): RegistryReply {
  const record: ErrorRecord = toErrorRecord(error);
  const result = UNKNOWN.has(record.code) ? "unknown" : "fail"; // RC2
  return { type: "registryAnswer", id, result, error: record };
}

function kindsOf(text: string): (typeof WATCH_KINDS)[number][] {
  return text.split(",").map((name) => {
    const kind = WATCH_KINDS.find((known) => known === name.trim());
    if (kind !== undefined) return kind;
    const message = `"${name.slice(0, 40)}" is not one of ${WATCH_KINDS.join(", ")}`;
    throw new GantryError("bad_request", message);
  });
}

/** Throws too_large. A text is measured without encoding it. */
function checkSize(value: unknown): void {
  const length = typeof value === "string" ? value.length : JSON.stringify(value).length;
  if (length > LIMIT.bodyBytes.max) {
    throw new GantryError("too_large", `A value has at most ${LIMIT.bodyBytes.max} bytes`);
  }
}

const isSecret = (secret: string, secretSha256: string): boolean =>
  timingSafeEqual(Buffer.from(sha256(secret)), Buffer.from(secretSha256));

const forbidden = (message: string): GantryError => new GantryError("forbidden", message);
const tooMany = (): GantryError =>
  new GantryError("busy", "Too many registry calls or watches are open", {
    details: { retryAfterS: 1 },
  });
