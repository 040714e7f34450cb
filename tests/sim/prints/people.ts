// People in the simulated workshop: they order prints, change their minds, and clear beds: first the
// part is taken out, then it is said, and said again until somebody hears it.

import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { World } from "../world.ts";
import type { Beds } from "./beds.ts";
import type { HubSide } from "./hub-side.ts";
import { FILE } from "./setting.ts";

export interface People {
  /** What was acknowledged. */
  readonly jobs: ReadonlySet<string>;
  begin(printers: readonly string[]): void;
  /** Nothing new is ordered. */
  calm(): void;
  /** Until it is answered. */
  insistOn(body: CommandBody): Promise<void>;
}

const ORDER_MS_MAX = 700;
const MIND_MS_MAX = 1_500;
const BED_MS = 250;
const AGAIN = 0.3;
const AGAIN_MS_MAX = 5_000;

export function makePeople(world: World, hubs: HubSide, beds: Beds): People {
  const { random } = world;
  const jobs = new Set<string>();
  const clearing = new Set<string>();
  let count = 0;
  let isCalm = false;

  const pause = (ms: number): Promise<void> => new Promise((done) => world.after(ms, done));

  async function insistOn(body: CommandBody): Promise<void> {
    while ((await hubs.ask(body)) === undefined) await pause(random() * 200);
  }

  async function order(printers: readonly string[]): Promise<void> {
    count += 1;
    const job = `prt_${count}`;
    const draft = { job, name: `part ${count}`, gcode: FILE.facts };
    const isForAny = random() < 0.5;
    const printer = printers[Math.floor(random() * printers.length)] ?? "";
    await insistOn(
      isForAny
        ? {
            type: "farmPrintSubmitted",
            ...draft,
            printer: "any",
            farm: { dialect: "marlin", priority: 5, needs: {} },
          }
        : { type: "printSubmitted", ...draft, printer },
    );
    jobs.add(job);
  }

  /** Of what is under way, something is cancelled, paused or gone on with. */
  async function changeMind(): Promise<void> {
    const rows = hubs.leading?.hub.rows;
    const prints = [...(rows?.hot("print").values() ?? [])];
    const print = prints[Math.floor(random() * prints.length)];
    if (print === undefined) return;
    const wish = random() < 0.7 ? "cancel" : random() < 0.5 ? "pause" : "resume";
    await hubs.ask({ type: "printWished", job: print.id, wish });
  }

  async function clear(printer: string): Promise<void> {
    const rows = hubs.leading?.hub.rows;
    const device = rows?.get("device", printer);
    if (rows === undefined || device?.bed !== "part" || device.bedJob === undefined) return;
    const isWorkedOn = [...rows.hot("print").values()].some(
      (print) => print.printer === printer && print.startedCount > 0,
    );
    if (isWorkedOn) return;
    clearing.add(printer);
    if (beds.partIn(printer) === device.bedJob) beds.takeOut(printer);
    const cleared = { type: "bedCleared", device: printer, job: device.bedJob } as const;
    await insistOn(cleared);
    clearing.delete(printer);
    // A browser that heard no answer asks again, whenever it gets through.
    if (random() < AGAIN) world.after(random() * AGAIN_MS_MAX, () => void hubs.ask(cleared));
  }

  return {
    jobs,
    insistOn,
    begin(printers) {
      const ordering = (): void => {
        if (isCalm) return;
        void order(printers);
        world.after(random() * ORDER_MS_MAX, ordering);
      };
      const doubting = (): void => {
        if (isCalm) return;
        void changeMind();
        world.after(random() * MIND_MS_MAX, doubting);
      };
      const looking = (): void => {
        for (const printer of printers) if (!clearing.has(printer)) void clear(printer);
        world.after(BED_MS + random() * BED_MS, looking);
      };
      ordering();
      doubting();
      looking();
    },
    calm() {
      isCalm = true;
    },
  };
}
