// One seed of the workshop: three hubs, a machine with two printers, people; processes die at the writes
// of their journals and in between, power goes, messages are lost and repeated. What must never be is at
// the head of beds.ts; and when all is calm:
//
// PX3. Every print ends, on record, and the record says whether its first byte left: never less than it
//      did. `done` is said only of what began.
// PX4. No bed is said to be clear in which a part lies.

import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import { EPOCH_MS } from "../replica/sim-clock.ts";
import { advanceOf, failureOf } from "../replica/hubs.ts";
import type { ReplicaOutcome } from "../replica/run-seed.ts";
import { check, makeWorld } from "../world.ts";
import { brokenIn } from "../hands/insist.ts";
import { makeBeds } from "./beds.ts";
import { makeBridgeSide } from "./bridge-side.ts";
import { makeChaos } from "./chaos.ts";
import { HUBS, type HubName, makeHubSide, secretSha256Of } from "./hub-side.ts";
import { makeNodeSide } from "./node-side.ts";
import { makePeople } from "./people.ts";
import { makeWires } from "./wires.ts";

/** Virtual ms. */
const STORM_MS = 14_000;
const SETTING_UP_MS = 10_000;
const ENDING_MS = 60_000;
const CRASHES_MAX = 40;
const PRINTERS = ["left", "right"];
const NODE = "node_1";
const ENDED: ReadonlySet<string> = new Set(["done", "failed", "cancelled", "interrupted"]);

export interface WorkshopOutcome extends ReplicaOutcome {
  readonly crashes: number;
  readonly atWrites: number;
  readonly starts: number;
}

/** `fault`: what broke outside of any call. */
export async function runWorkshopSeed(
  seed: number,
  isTelling: boolean,
  fault: () => Error | undefined,
): Promise<WorkshopOutcome> {
  const world = makeWorld(seed, isTelling);
  const draw = seededRandom(seed ^ 0x2545f491);
  const chaos = makeChaos(world, CRASHES_MAX);
  const hubs = makeHubSide({
    world,
    chaos,
    send: (from, node, messages) => wires.toNode(from, node, messages),
  });
  const beds = makeBeds(world, (job) => {
    const state = hubs.truth.get("print", job)?.state;
    return state !== undefined && ENDED.has(state) ? state : undefined;
  });
  const wires = makeWires(world, () => hubs);
  const bridge = makeBridgeSide("bridge", { world, chaos, beds, printers: PRINTERS });
  const node = makeNodeSide(NODE, {
    world,
    chaos,
    bridge,
    send: (message) => wires.toHub(NODE, message),
    greet: (life) => wires.dial(NODE, life),
  });
  const people = makePeople(world, hubs, beds);
  let isStormy = true;

  const awayMs = (): number => 10 + draw() ** 2 * 1_500;
  chaos.onKill((victim, id) => {
    if (victim === "hub") {
      hubs.crash(id);
      world.after(awayMs(), () => hubs.start(id as HubName)); // of HUBS
    } else if (victim === "node") {
      node.crash();
      world.after(awayMs(), () => node.start());
    } else if (victim === "bridge") {
      bridge.crash();
      world.after(awayMs(), () => bridge.start());
    } else if (victim === "machine") {
      node.crash();
      bridge.crash();
      world.after(awayMs(), () => {
        bridge.start();
        node.start();
      });
    } else bridge.powerLoss(id);
  });

  function storm(): void {
    if (!isStormy) return;
    const choice = draw();
    if (choice < 0.18)
      chaos.kill("hub", draw() < 0.7 ? hubs.chief : (HUBS[between(draw, 0, 2)] ?? "h1"));
    else if (choice < 0.38) chaos.kill("node", NODE);
    else if (choice < 0.5) chaos.kill("bridge", "bridge");
    else if (choice < 0.58) chaos.kill("machine", NODE);
    else if (choice < 0.7) chaos.kill("printer", PRINTERS[between(draw, 0, 1)] ?? "left");
    else if (choice < 0.85) wires.cut(NODE);
    else hubs.depose();
    world.after(draw() * 900, storm);
  }

  const advance = advanceOf(world, () => brokenIn(world) ?? fault());
  const prints = () => [...people.jobs].map((job) => [job, hubs.truth.get("print", job)] as const);
  const open = () => prints().filter(([, row]) => row === undefined || !ENDED.has(row.state));

  async function setUp(): Promise<void> {
    let isDone = false;
    for (const hub of HUBS) hubs.start(hub);
    void (async () => {
      await people.insistOn({
        type: "joinCodeMade",
        code: "join",
        name: NODE,
        secretSha256: "code",
        expiresAtMs: EPOCH_MS + 1e12,
      });
      await people.insistOn({
        type: "nodeEnrolled",
        code: "join",
        codeSecretSha256: "code",
        node: NODE,
        name: NODE,
        publicKey: NODE,
        secretSha256: secretSha256Of(NODE),
      });
      bridge.start();
      node.start();
      for (const device of PRINTERS) {
        while (hubs.truth.get("device", device) === undefined) {
          await new Promise<void>((resolve) => world.after(50, resolve));
        }
        const profile = { labels: [], isHeld: false };
        await people.insistOn({ type: "printerProfiled", device, profile });
      }
      isDone = true;
    })();
    await advance(SETTING_UP_MS, () => isDone);
    check(isDone, () => "PX3 the workshop is not set up");
  }

  const failure = await failureOf(async () => {
    await setUp();
    people.begin(PRINTERS);
    storm();
    await advance(world.now + STORM_MS, () => false);
    isStormy = false;
    people.calm();
    chaos.calm();
    await advance(world.now + 3_000, () => false);
    // What nobody goes on with is cancelled by a person, so that it ends.
    await advance(world.now + ENDING_MS, () => {
      for (const [job, row] of open()) {
        if (row?.state === "paused" && row.wish === undefined && world.events % 64 === 0)
          void hubs.ask({ type: "printWished", job, wish: "cancel" });
      }
      return open().length === 0;
    });
    const left = open().map(([job, row]) => `${job} ${JSON.stringify(row)}`);
    check(left.length === 0, () => `PX3 not ended: ${left.join("\n    ")}`);
    for (const [job, row] of prints()) {
      const began = beds.starts.has(job) ? 1 : 0;
      const told = row?.startedCount ?? 0;
      const isTrue = row?.state === "done" ? began === 1 && told === 1 : told >= began;
      check(isTrue, () => `PX3 ${job} began ${began} times: ${JSON.stringify(row)}`);
    }
    for (const printer of PRINTERS) {
      const part = beds.partIn(printer);
      const bed = hubs.truth.get("device", printer)?.bed;
      check(part === undefined || bed === "part", () => `PX4 ${part} lies in ${printer}: ${bed}`);
    }
  });
  return {
    seed,
    failure,
    hash: world.hash,
    events: world.events,
    acknowledged: people.jobs.size,
    reigns: 0,
    notes: world.notes(),
    crashes: chaos.crashes,
    atWrites: chaos.atWrites,
    starts: beds.starts.size,
  };
}
