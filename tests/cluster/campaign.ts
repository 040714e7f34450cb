// One run: a cluster, clients that write down what they are told, faults, and the judgement at the end.
//
// CP1. The history is linearizable; every key is read through every hub at the end, so an acknowledged
//      write that is missing anywhere is found.
// CP2. At the end all hubs hold the same state at the same log entry.
// CP3. No term has had two leaders: each hub says in its log when it leads (its output is searched).

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { stateOf } from "../../hub/doctor/state.ts";
import { formatHistory, type Operation } from "../lincheck/history.ts";
import { judge, type Verdict } from "../lincheck/verdict.ts";
import { until } from "../support/appliance.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { type Hosts, startHosts } from "../support/netns.ts";
import { doFault, type Fault } from "./faults.ts";
import { linesOf } from "./hub-lines.ts";
import { makeHubClient, nowNs, startWorkload } from "./workload.ts";

export interface CampaignOptions {
  readonly hubs: number;
  readonly seed: number;
  /** Drawn from, in order of the list first. */
  readonly faults: readonly Fault[];
  /** Ends with these many operations, or after the faults where this is smaller. */
  readonly operations: number;
  /** In namespaces, whose links can be cut. */
  readonly hasHosts: boolean;
  readonly clients?: number;
  /** Go on with faults until all operations are done. */
  readonly isLong?: boolean;
  /** Where the history goes. */
  readonly historyPath?: string;
  readonly log?: (line: string) => void;
}

export interface CampaignResult {
  readonly verdict: Verdict;
  readonly operations: number;
  readonly unknown: number;
  readonly failed: number;
  readonly faults: number;
  readonly tookMs: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly surprises: readonly string[];
  /** Of each hub at one log entry: equal (CP2). */
  readonly states: readonly string[];
  /** Terms with more than one leader (CP3). */
  readonly sharedTerms: readonly number[];
}

const CLIENTS = 8;
const KEYS = 12;
const BETWEEN_FAULTS_MS = 300;

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, faults, operations, log } = options;
  const random = seededRandom(seed);
  await using stack = new AsyncDisposableStack();
  const hosts: Hosts | undefined = options.hasHosts
    ? stack.use(await startHosts(options.hubs))
    : undefined;
  const cluster = stack.use(await startCluster(options.hubs, hosts === undefined ? {} : { hosts }));
  await cluster.leader();
  const startedMs = performance.now();
  const enough = new AbortController();
  const workload = startWorkload({
    urls: cluster.hubs.map(({ url }) => url),
    token: cluster.token,
    random,
    clients: options.clients ?? CLIENTS,
    keys: KEYS,
    operationsMax: operations,
    signal: enough.signal,
  });
  let count = 0;
  while (!workload.isDone && (options.isLong === true || count < faults.length)) {
    const fault = faults[count < faults.length ? count : Math.floor(random() * faults.length)];
    if (fault === undefined) break;
    await doFault({ cluster, hosts, random, ...(log === undefined ? {} : { log }) }, fault);
    count += 1;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_FAULTS_MS));
  }
  if (options.isLong !== true) enough.abort();
  await workload.done;
  await cluster.leader();
  const history = [...workload.history, ...(await readAtTheEnd(cluster, workload.keys))];
  const tookMs = Math.round(performance.now() - startedMs);
  if (options.historyPath !== undefined)
    await writeFile(options.historyPath, formatHistory(history));
  const states = await statesOf(cluster);
  return {
    verdict: judge(history),
    operations: history.length,
    unknown: history.filter(({ status }) => status === "unknown").length,
    failed: history.filter(({ status }) => status === "fail").length,
    faults: count,
    tookMs,
    answers: workload.answers,
    surprises: workload.surprises.slice(0, 5),
    states,
    sharedTerms: sharedTermsOf(cluster),
  };
}

/** CP1. */
export async function readAtTheEnd(
  cluster: TestCluster,
  keys: readonly string[],
): Promise<Operation[]> {
  using http = makeHubClient(cluster.token);
  const reads: Operation[] = [];
  for (const hub of cluster.hubs) {
    let last: unknown;
    for (const key of keys) {
      const read = await until(`${hub.id} to read ${key}`, async () => {
        const start = nowNs();
        const path = `/api/flags/${key}?consistency=linearizable`;
        const outcome = await http.ask(hub.url, "GET", path);
        last = outcome;
        if (outcome.kind === "lost" || ![200, 404].includes(outcome.answer.status))
          return undefined;
        const { status, body } = outcome.answer;
        const value = status === 200 ? { value: String(body["value"]) } : {};
        const client = `end-${hub.id}`;
        return {
          client,
          key,
          op: "get" as const,
          ...value,
          start,
          end: nowNs(),
          status: "ok" as const,
        };
      }).catch(async (cause: unknown) => {
        const facts = JSON.stringify({ last, hubs: await lookOf(cluster) });
        throw new Error(`${String(cause)}: ${facts}`, { cause });
      });
      reads.push(read);
    }
  }
  return reads;
}

/** What each hub says of itself, its links and its disk, for whoever looks for the reason of a fault. */
const lookOf = (cluster: TestCluster): Promise<unknown[]> =>
  Promise.all(
    cluster.hubs.map(async (hub) => {
      const replies = await Promise.all(
        ["/readyz", "/api/cluster"].map((path) => hub.api("GET", path).catch(String)),
      );
      const said = replies.map((reply) => (typeof reply === "string" ? reply : reply.body));
      const isSilent = replies.every((reply) => typeof reply === "string");
      return isSilent ? { said, runs: hub.isRunning, output: hub.output().slice(-4_000) } : said;
    }),
  );

/** CP2: stops all hubs, and reads their folders at the last entry that all of them have. */
export async function statesOf(cluster: TestCluster): Promise<string[]> {
  for (const hub of cluster.hubs) await hub.kill("SIGKILL");
  const folders = cluster.hubs.map(({ dataDir }) => dataDir);
  const last = await Promise.all(folders.map((folder) => stateOf(folder)));
  const index = Math.min(...last.map((state) => state.index));
  const states = await Promise.all(folders.map((folder) => stateOf(folder, index)));
  return states.map(({ sha256, term, position }) => `${index}/${term}/${position}/${sha256}`);
}

/** CP3. */
export function sharedTermsOf(cluster: TestCluster): number[] {
  const leaderOf = new Map<number, string>();
  const shared: number[] = [];
  for (const hub of cluster.hubs) {
    for (const { term = 0 } of linesOf(hub, "this hub leads")) {
      const before = leaderOf.get(term);
      if (before !== undefined && before !== hub.id) shared.push(term);
      leaderOf.set(term, hub.id);
    }
  }
  return shared;
}

/** For a person who wants the histories: FAULT_HISTORIES names a folder. */
export const historyPathOf = (name: string): { historyPath?: string } => {
  const folder = process.env["FAULT_HISTORIES"];
  return folder === undefined ? {} : { historyPath: join(folder, `${name}.jsonl`) };
};
