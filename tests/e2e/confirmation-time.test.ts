// How long a word may be waited for, at the desk of a real hub core whose clock the test turns: the
// 300 seconds of a confirmation, to the millisecond, by request and by word, forwards and backwards.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { openBlobFiles } from "../../hub/adapters/blob-files.ts";
import { makeAsk } from "../../hub/ask/ask.ts";
import { makeLibrary } from "../../hub/ask/library.ts";
import { makeDesk } from "../../hub/desk/desk.ts";
import { makeFeed } from "../../hub/feed/feed.ts";
import { makeSoftState } from "../../hub/feed/soft.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import { makeCalls } from "../../hub/hands/calls.ts";
import { makeModels } from "../../hub/hands/models.ts";
import { makeStop } from "../../hub/hands/stop.ts";
import { act, byHub, type Hub } from "../../hub/hub.ts";
import { makeMetrics } from "../../hub/metrics.ts";
import type { AgentLink, Desk } from "../../hub/ports.ts";
import { makeForgetfulStore } from "../support/forgetful-store.ts";
import { NEVER, openTestReplica } from "../support/hub-parts.ts";

const OWNER = { person: "ada", role: "admin", token: "tok_ada" } as const;
const START_MS = 1_700_000_000_000;
const LIFE_MS = 300_000;

describe("the 300 seconds of a confirmation", () => {
  let folder: string;
  let hub: Hub;
  let desk: Desk;
  let nowMs: number;
  let spoken = 0;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gantry-time-"));
    nowMs = START_MS;
    ({ hub, desk } = await openCore(folder, { ...systemClock, now: () => nowMs }));
  });
  afterEach(async () => {
    await hub.replica.close();
    await rm(folder, { recursive: true });
  });

  const call = (route: Parameters<Desk["call"]>[0], body: unknown, id = ""): Promise<unknown> => {
    spoken += 1;
    const request = { actor: OWNER, requestId: `req_${spoken}`, params: { id }, query: {}, body };
    return desk.call(route, request, { signal: NEVER });
  };
  const submit = async (): Promise<string> => {
    const reply = await call("printSubmitted", { printer: "sim", name: "cube", gcode: FACTS });
    return (reply as { confirmation: { id: string } }).confirmation.id; // the route's reply schema
  };

  it.for([
    { afterMs: 0, works: true },
    { afterMs: 299_900, works: true },
    { afterMs: 299_999, works: true },
    { afterMs: 300_000, works: false },
    { afterMs: 300_100, works: false },
    { afterMs: 86_400_000, works: false },
    { afterMs: -3_600_000, works: true }, // the clock was put back an hour: late is told by it alone
  ])("[K101] the phrase $afterMs ms later works: $works", async ({ afterMs, works }) => {
    const id = await submit();
    nowMs = START_MS + afterMs;
    const said = call("confirm", { phrase: PHRASE }, id);
    const outcome = await said.then(
      () => "consumed",
      (error: { code: string }) => error.code,
    );
    expect(outcome).toBe(works ? "consumed" : "confirmation_expired");
    const [job] = hub.rows.hot("print").values();
    expect(job?.state).toBe(works ? "ready" : "awaiting");
  });

  it("[K101] expires by itself: the job ends, and putting the clock back brings nothing back", async () => {
    const id = await submit();
    nowMs = START_MS + LIFE_MS;
    await act(hub, { type: "confirmationsTicked" }, byHub(hub), NEVER);
    nowMs = START_MS + 1_000;
    await expect(call("confirm", { phrase: PHRASE }, id)).rejects.toMatchObject({
      code: "confirmation_expired",
    });
    expect(hub.rows.hot("print").size).toBe(0);
  });

  it("[K101 K117] the phrase said too late starts nothing and says why", async () => {
    await mkdir(join(folder, "gcode"), { recursive: true });
    await writeFile(join(folder, "gcode", "cube.gcode"), "G28\nG1 Z5 F600\n");
    const asked = (await call("query", {
      prompt: "print cube.gcode on sim",
      conversationId: "talk",
    })) as QueryReply; // the route's reply schema
    const prompt = asked.confirmation?.phrase;
    nowMs = START_MS + LIFE_MS;
    await expect(call("query", { prompt, conversationId: "talk" })).rejects.toMatchObject({
      code: "confirmation_expired",
    });
    expect(hub.rows.get("print", asked.job?.id ?? "")?.state).not.toBe("ready");
  });
});

const PHRASE = "confirm print cube on sim";

const FACTS = {
  sha256: sha256("G28"),
  sizeBytes: 3,
  commands: 1,
  estimatedS: 1,
  nozzleMaxC: 60,
  bedMaxC: 40,
  filamentMm: 0,
  layers: 1,
  boundsMm: { min: { x: 0, y: 0, z: 0 }, max: { x: 1, y: 1, z: 1 } },
  hazards: [],
};

const PRINTER = {
  id: "sim",
  driver: "marlin",
  phase: "idle",
  isSimulated: true,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 100,
} as const;

const notAsked = (): Promise<never> => Promise.reject(new Error("not asked here"));

/** Log, ledger, path of the question and desk, as main.ts joins them; no links, no doors. */
async function openCore(folder: string, clock: Clock): Promise<{ hub: Hub; desk: Desk }> {
  const ledgerStore = makeForgetfulStore();
  const replica = await openTestReplica(makeForgetfulStore(), ledgerStore, { clock });
  const feed = makeFeed();
  const hub: Hub = {
    id: "hub-1",
    replica,
    rows: replica.ledger.rows,
    feed,
    soft: makeSoftState(feed),
    clock,
    stampMs: () => clock.now(),
    random: seededRandom(7),
    log: silentLogger,
    metrics: makeMetrics(),
  };
  const calls = makeCalls(link, clock, makeTargets(clock));
  const models = makeModels(hub, calls);
  const stop = makeStop(hub, calls, link);
  const blobs = await openBlobFiles(join(folder, "blobs"));
  const library = makeLibrary(hub.rows, blobs, join(folder, "gcode"));
  const ask = makeAsk({ hub, models, stop, library });
  const desk = makeDesk({
    hub,
    ask,
    models,
    calls,
    stop,
    cluster: {
      state: notAsked,
      backup: notAsked,
      exam: notAsked,
      operations: { add: notAsked, remove: notAsked, promote: notAsked, transfer: notAsked },
    },
    link,
    ledgerStore,
    health: allWell,
  });
  await enrol(hub);
  return { hub, desk };
}

const link = (): AgentLink => noLink;
const allWell = () => ({ status: "ok" as const, parts: {}, version: "0", uptimeS: 0 });

const noLink: AgentLink = {
  publicKey: "",
  send: () => "absent",
  drop: () => {},
  dropAll: () => {},
  announce: () => {},
  tellHubs: () => {},
  heard: () => new Map(),
  close: () => Promise.resolve(),
};

/** One node with one printer, as its hello would say it. */
async function enrol(hub: Hub): Promise<void> {
  const secret = sha256("secret");
  const capabilities = { models: [], commands: [], printers: [PRINTER] };
  const steps: CommandBody[] = [
    {
      type: "joinCodeMade",
      code: "jc",
      name: "bench",
      secretSha256: secret,
      expiresAtMs: Infinity,
    },
    {
      type: "nodeEnrolled",
      code: "jc",
      codeSecretSha256: secret,
      node: "node_1",
      name: "bench",
      publicKey: "key",
      secretSha256: secret,
    },
    {
      type: "nodeRegistered",
      node: "node_1",
      bootId: "boot_1",
      labels: {},
      capabilities,
      capabilitiesDigest: "",
    },
  ];
  for (const step of steps) await act(hub, step, byHub(hub), NEVER);
}
