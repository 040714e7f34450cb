// Clients of a cluster that write down what they asked and what they were told, for the checker of
// linearizability. They speak HTTP to any hub, as people's programs do.
//
// WL1. An outcome is what the client knows: `ok` as answered, `fail` only where the request surely had
//      no effect (refused before it was sent, or answered so), everything else `unknown`.
// WL2. An operation is sent once. A client that was disappointed turns to another hub with its next one.
// WL3. Every value is written once, so a revision that did not match means that another value was there.
// WL4. Keys rotate, since a checker cannot judge a key with many operations of unknown outcome.

import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import type { Operation, Status } from "../lincheck/history.ts";

export interface WorkloadOptions {
  /** Of the hubs. */
  readonly urls: readonly string[];
  readonly token: string;
  /** In [0, 1). */
  readonly random: () => number;
  readonly clients: number;
  /** Used at once. */
  readonly keys: number;
  /** All clients together; then the workload ends. */
  readonly operationsMax: number;
  /** Ends it earlier. */
  readonly signal: AbortSignal;
  /** Between two operations of one client; default 0. */
  readonly pauseMs?: number;
}

export interface Workload {
  readonly history: readonly Operation[];
  /** Every key that was ever written. */
  readonly keys: readonly string[];
  /** What was answered, and how often: `200`, or the code of the problem, or `lost`. */
  readonly answers: Readonly<Record<string, number>>;
  /** Answers that no fault excuses, such as 401 or 500. */
  readonly surprises: readonly string[];
  readonly isDone: boolean;
  /** Resolves when all clients have ended. */
  readonly done: Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** `surely`: whether it surely had no effect. */
export type Asked =
  | { readonly kind: "answered"; readonly answer: Answer }
  | { readonly kind: "lost"; readonly surely: boolean };

export interface HubClient extends Disposable {
  ask(
    url: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Asked>;
}

const ANSWER_MS = 3_000;
const KEY_OPERATIONS_MAX = 2_000;
const KEY_UNKNOWN_MAX = 12;
const LOCK_MS = 1_000;
/** A hub that has just refused a connection is not asked in a tight loop. */
const REFUSED_PAUSE_MS = 10;

const EXPECTED = new Set([200, 201, 404, 409, 412, 429, 499, 503, 504]);
const SURELY_NOT_SENT = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"]);
/** What a hub answers when it has surely not done it. */
const SURELY_NOT_DONE = new Set(["no_leader", "starting", "stopping", "busy", "rate_limited"]);

export const nowNs = (): number => Math.round(performance.now() * 1_000_000);

/** Without a token no authorization is sent: etcd refuses one that it does not know. */
export function makeHubClient(token: string | undefined, answerMs = ANSWER_MS): HubClient {
  const agent = new Agent({ keepAlive: true });
  return {
    ask(url, method, path, body, headers = {}) {
      const text = body === undefined ? undefined : JSON.stringify(body);
      return new Promise((resolve) => {
        const answered = (answer: Answer): void => {
          clearTimeout(timer);
          resolve({ kind: "answered", answer });
        };
        const lost = (error: unknown): void => {
          clearTimeout(timer);
          const code = error instanceof Error && "code" in error ? String(error.code) : "";
          resolve({ kind: "lost", surely: SURELY_NOT_SENT.has(code) });
        };
        const sent = httpRequest(
          `${url}${path}`,
          {
            agent,
            method,
            headers: {
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
              ...(text === undefined
                ? {}
                : {
                    "content-type": "application/json",
                    "content-length": Buffer.byteLength(text),
                  }),
              ...headers,
            },
          },
          (reply) => {
            readAnswer(reply).then(answered, lost);
          },
        );
        const timer = setTimeout(() => sent.destroy(new Error("no answer in time")), answerMs);
        sent.once("error", lost);
        sent.end(text);
      });
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

async function readAnswer(reply: IncomingMessage): Promise<Answer> {
  reply.setEncoding("utf8");
  let text = "";
  for await (const piece of reply) text += String(piece);
  const body = JSON.parse(text === "" ? "{}" : text) as Answer["body"]; // the API speaks JSON
  return { status: reply.statusCode ?? 0, body };
}

/** WL1. */
const statusOf = (asked: Asked): Status => {
  if (asked.kind === "lost") return asked.surely ? "fail" : "unknown";
  const { status, body } = asked.answer;
  if (status < 300) return "ok";
  if (status < 500 && status !== 429 && status !== 499) return "fail";
  return SURELY_NOT_DONE.has(String(body["code"])) ? "fail" : "unknown";
};

interface KeyInUse {
  readonly name: string;
  operations: number;
  unknown: number;
}

export function startWorkload(options: WorkloadOptions): Workload {
  const { urls, random, operationsMax, signal, pauseMs = 0 } = options;
  const history: Operation[] = [];
  const everyKey: string[] = [];
  const surprises: string[] = [];
  const answers: Record<string, number> = {};
  const http = makeHubClient(options.token);
  let asked = 0;

  const newKey = (): KeyInUse => {
    const name = `k${everyKey.length}`;
    everyKey.push(name);
    return { name, operations: 0, unknown: 0 };
  };
  const inUse = Array.from({ length: options.keys }, newKey);

  /** WL4. */
  function takeKey(): KeyInUse {
    const place = Math.floor(random() * inUse.length);
    let key = inUse[place] ?? newKey();
    if (key.operations >= KEY_OPERATIONS_MAX || key.unknown >= KEY_UNKNOWN_MAX) {
      key = newKey();
      inUse[place] = key;
    }
    key.operations += 1;
    return key;
  }

  async function live(client: string): Promise<void> {
    let hub = Math.floor(random() * urls.length);
    let writes = 0;
    /** What this client saw last under a key. */
    const seen = new Map<string, { readonly value: string; readonly revision: number }>();

    async function operate(key: KeyInUse): Promise<Asked> {
      const url = urls[hub] ?? "";
      const path = `/api/flags/${key.name}`;
      const draw = random();
      const common = { client, key: key.name, start: nowNs() };
      writes += 1;
      const value = `${client}.${writes}`; // WL3
      const note = (status: Status, rest: Record<string, unknown>): void => {
        if (status === "unknown") key.unknown += 1;
        history.push({ ...common, end: nowNs(), status, ...rest } as unknown as Operation);
      };
      const remember = (outcome: Asked): void => {
        if (outcome.kind !== "answered" || outcome.answer.status !== 200) return;
        const { revision, value: now } = outcome.answer.body;
        seen.set(key.name, { value: String(now), revision: Number(revision) });
      };

      if (draw < 0.45) {
        const outcome = await http.ask(url, "GET", `${path}?consistency=linearizable`);
        remember(outcome);
        const isAbsent = outcome.kind === "answered" && outcome.answer.status === 404;
        const status = isAbsent ? "ok" : statusOf(outcome);
        const read = outcome.kind === "answered" && !isAbsent ? outcome.answer.body["value"] : null;
        note(status === "unknown" ? "fail" : status, {
          op: "get",
          ...(status === "ok" && !isAbsent ? { value: String(read) } : {}),
        });
        return outcome;
      }
      const known = seen.get(key.name);
      if (draw < 0.65 && known !== undefined) {
        const headers = { "if-match": String(known.revision) };
        const outcome = await http.ask(url, "PUT", path, { value }, headers);
        remember(outcome);
        const isRefused = outcome.kind === "answered" && outcome.answer.status === 412;
        const status = isRefused ? "ok" : statusOf(outcome);
        const swapped = status === "ok" ? { swapped: !isRefused } : {};
        note(status, { op: "cas", old: known.value, value, ...swapped });
        return outcome;
      }
      if (draw < 0.7) {
        const outcome = await http.ask(url, "DELETE", path);
        const isAbsent = outcome.kind === "answered" && outcome.answer.status === 404;
        note(isAbsent ? "ok" : statusOf(outcome), { op: isAbsent ? "get" : "del" });
        return outcome;
      }
      if (draw < 0.75) return lock(url, common.start, key);
      const outcome = await http.ask(url, "PUT", path, { value });
      remember(outcome);
      note(statusOf(outcome), { op: "put", value });
      return outcome;
    }

    /** Takes a lock and gives it back; its token is what is judged. */
    async function lock(url: string, start: number, { name }: KeyInUse): Promise<Asked> {
      const path = `/api/locks/lock-${name}`;
      const outcome = await http.ask(url, "POST", path, { owner: client, ttlMs: LOCK_MS });
      const status = statusOf(outcome);
      const token = outcome.kind === "answered" ? Number(outcome.answer.body["token"]) : 0;
      const given = status === "ok" ? { token } : {};
      const end = nowNs();
      history.push({ client, key: `lock-${name}`, op: "acquire", start, end, status, ...given });
      if (status === "ok") await http.ask(url, "DELETE", `${path}?token=${token}`);
      return outcome;
    }

    while (!signal.aborted && asked < operationsMax) {
      asked += 1;
      const outcome = await operate(takeKey());
      const name = nameOf(outcome);
      answers[name] = (answers[name] ?? 0) + 1;
      if (outcome.kind === "answered" && !EXPECTED.has(outcome.answer.status))
        surprises.push(JSON.stringify(outcome.answer));
      const isServed = outcome.kind === "answered" && outcome.answer.status < 500;
      if (!isServed) {
        hub = Math.floor(random() * urls.length); // WL2
        await pause(REFUSED_PAUSE_MS);
      }
      if (pauseMs > 0) await pause(pauseMs);
    }
  }

  let isDone = false;
  async function all(): Promise<void> {
    await Promise.all(Array.from({ length: options.clients }, (_, index) => live(`c${index + 1}`)));
    isDone = true;
    http[Symbol.dispose]();
  }
  const done = all();
  return {
    history,
    keys: everyKey,
    answers,
    surprises,
    get isDone() {
      return isDone;
    },
    done,
  };
}

function nameOf(asked: Asked): string {
  if (asked.kind === "lost") return asked.surely ? "refused" : "lost";
  const { status, body } = asked.answer;
  return typeof body["code"] === "string" ? body["code"] : String(status);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
