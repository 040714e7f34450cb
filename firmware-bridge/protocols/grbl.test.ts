// Codec and link of Grbl against the simulated one, all pure, in virtual time.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GRBL_OPTIONS, makeSimulatedGrbl, type SimulatedGrbl } from "../simulator/grbl.ts";
import { type GrblEvent, makeGrblDecoder } from "./grbl-codec.ts";
import { type GrblLink, makeGrblLink } from "./grbl-link.ts";
import { isRealtime, overrideBytes } from "./grbl-realtime.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const decode = (text: string): GrblEvent[] => makeGrblDecoder().push(bytesOf(text));

describe("Grbl codec", () => {
  it.each<[string, GrblEvent]>([
    ["ok", { kind: "ok" }],
    ["error:22", { kind: "error", code: 22 }],
    ["ALARM:1", { kind: "alarm", code: 1 }],
    ["Grbl 1.1h ['$' for help]", { kind: "welcome", version: "1.1h" }],
    ["<Idle|MPGrbl 1.1f ['$' for help]", { kind: "welcome", version: "1.1f" }],
    ["$110=3000.000", { kind: "setting", number: 110, value: 3_000 }],
    ["[MSG:Caution: Unlocked]", { kind: "message", topic: "MSG", text: "Caution: Unlocked" }],
    ["okay", { kind: "noise", text: "okay" }],
    [
      "<Run|MPos:1.000,-2.500,0.000|Bf:15,128|FS:500,8000|Pn:XY|Ov:110,100,100|WCO:0.000,0.000,1.000>",
      {
        kind: "status",
        status: {
          state: "Run",
          machine: { x: 1, y: -2.5, z: 0 },
          plannerFree: 15,
          receiveFree: 128,
          feed: 500,
          spindle: 8_000,
          pins: "XY",
          overrides: { feed: 110, rapid: 100, spindle: 100 },
          offset: { x: 0, y: 0, z: 1 },
        },
      },
    ],
    [
      "<Hold:1|WPos:1.000,2.000,3.000|Bf:nonsense|F:0>",
      {
        kind: "status",
        status: { state: "Hold", sub: 1, work: { x: 1, y: 2, z: 3 }, feed: 0 },
      },
    ],
    ["<Bored|MPos:0,0,0>", { kind: "noise", text: "<Bored|MPos:0,0,0>" }],
  ])("reads %j", (line, event) => {
    expect(decode(`${line}\r\n`)).toEqual([event]);
  });

  it("gives the same events however the bytes are split", () => {
    const text =
      "Grbl 1.1h ['$' for help]\r\nok\r\n<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\nerror:2\r\n";
    const whole = decode(text);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const decoder = makeGrblDecoder();
        let from = 0;
        const events: GrblEvent[] = [];
        for (const to of [...cuts.toSorted((a, b) => a - b), text.length]) {
          events.push(...decoder.push(bytesOf(text.slice(from, to))));
          from = to;
        }
        expect(events).toEqual(whole);
      }),
    );
  });

  it("never throws and never invents an answer, whatever comes in (GC1, GC2)", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 })), (pieces) => {
        const decoder = makeGrblDecoder();
        const answers = pieces
          .flatMap((piece) => decoder.push(piece))
          .filter(({ kind }) => kind === "ok" || kind === "error");
        const text = pieces.map((piece) => String.fromCharCode(...piece)).join("");
        const lines = text.split(/[\r\n]/).filter((line) => /^(ok|error:\d{1,3})$/.test(line));
        expect(answers.length).toBeLessThanOrEqual(lines.length);
      }),
    );
  });
});

describe("Grbl's overrides", () => {
  it("reach every percentage, never by a byte that could be part of a line", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 200 }),
        fc.integer({ min: 10, max: 200 }),
        (from, to) => {
          let percent = from;
          for (const char of overrideBytes("feed", from, to)) {
            const byte = char.charCodeAt(0);
            expect(isRealtime(byte)).toBe(true);
            if (byte === 0x90) percent = 100;
            else percent += { 0x91: 10, 0x92: -10, 0x93: 1, 0x94: -1 }[byte] ?? NaN;
          }
          expect(percent).toBe(to);
        },
      ),
    );
  });
});

interface Bench {
  readonly grbl: SimulatedGrbl;
  readonly link: GrblLink;
  readonly executed: string[];
  readonly events: GrblEvent[];
  bytesMax: number;
  nowMs: number;
  /** Sends `program` until all is answered, there is a fault, or `ms` are over. */
  run(program: readonly string[], ms: number): void;
}

function makeBench(mustHome = false): Bench {
  const grbl = makeSimulatedGrbl({ ...GRBL_OPTIONS, mustHome }, 0);
  const decoder = makeGrblDecoder();
  decoder.push(grbl.advance(100)); // its welcome
  const link = makeGrblLink();
  const bench: Bench = {
    grbl,
    link,
    executed: [],
    events: [],
    bytesMax: 0,
    nowMs: 100,
    run(program, ms) {
      const untilMs = bench.nowMs + ms;
      let index = 0;
      for (; bench.nowMs < untilMs; bench.nowMs += 1) {
        for (const event of decoder.push(grbl.advance(bench.nowMs))) {
          bench.events.push(event);
          link.receive(event, bench.nowMs);
        }
        link.tick(bench.nowMs);
        for (let line = program[index]; line !== undefined && link.hasRoom(line);) {
          link.send(line, index + 1, bench.nowMs);
          index += 1;
          line = program[index];
        }
        grbl.receive(bytesOf(link.takeRealtime() + link.takeOutput()), bench.nowMs);
        bench.bytesMax = Math.max(bench.bytesMax, link.inFlightBytes());
        bench.executed.push(...grbl.takeExecuted());
        if (index === program.length && program.length > 0 && link.isAnswered()) break;
      }
    },
  };
  return bench;
}

const cut = (count: number): readonly string[] => [
  "G90",
  "F6000",
  ...Array.from({ length: count }, (_, index) => `G1X${index % 100}.125Y${(index * 7) % 90}.250`),
];

describe("Grbl link", () => {
  it("keeps the buffer full and never over it (GL1), each line once and in order (GL2)", () => {
    const bench = makeBench();
    const program = cut(400);
    bench.run(program, 600_000);
    expect(bench.executed).toEqual(program);
    expect(bench.grbl.dropped).toBe(0);
    expect(bench.bytesMax).toBeGreaterThan(100);
    expect(bench.bytesMax).toBeLessThanOrEqual(127);
    expect(bench.link.ackedTag()).toBe(program.length);
    expect(bench.link.fault()).toBeUndefined();
  });

  it("is right for any lines that fit", () => {
    const words = fc
      .array(fc.constantFrom("X1", "Y22.5", "Z0.125", "F1200", "G1", "G90", "M3", "S800"), {
        minLength: 1,
        maxLength: 12,
      })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 40 }), (lines) => {
        const bench = makeBench();
        const program = ["F600", ...lines];
        bench.run(program, 600_000);
        expect(bench.executed).toEqual(program);
        expect(bench.grbl.dropped).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it("sends what writes the EEPROM alone (GL3)", () => {
    const bench = makeBench();
    const program = ["$10=1", "$110=2000", "G10L2P1X0Y0", ...cut(5), "G28.1X0"];
    bench.run(program, 60_000);
    expect(bench.executed).toEqual(program);
    expect(bench.grbl.dropped).toBe(0);
  });

  it("holds the machine at the first error and sends no more (GL4)", () => {
    const bench = makeBench();
    const program = [...cut(50), "G1X1Q", ...cut(200)];
    bench.run(program, 60_000);
    expect(bench.link.fault()).toMatchObject({ kind: "refused", tag: 53, code: 2 });
    expect(bench.grbl.state).toBe("Hold");
    expect(bench.executed.length).toBeLessThan(60);
  });

  it("holds and goes on with a full buffer (GL6)", () => {
    const bench = makeBench();
    bench.run([...cut(10), ...cut(60)], 300);
    bench.link.hold();
    bench.run([], 100);
    expect(bench.grbl.state).toBe("Hold");
    const { length } = bench.executed;
    bench.run([], 2_000);
    expect(bench.executed.length - length).toBeLessThanOrEqual(15); // what the planner still took
    bench.link.resume();
    bench.run([], 20_000);
    expect(bench.executed.length).toBeGreaterThan(length);
  });

  it("stops at once in an emergency, and says that the position is lost", () => {
    const bench = makeBench();
    bench.run(cut(60), 400);
    bench.grbl.receive(bytesOf(bench.link.emergency()), bench.nowMs);
    bench.run([], 20);
    expect(bench.grbl.state).toBe("Alarm");
    expect(bench.events).toContainEqual({ kind: "alarm", code: 3 });
    expect(bench.link.hasRoom("G1X1")).toBe(false);
  });

  it("homes a locked machine, which answers nothing meanwhile", () => {
    const bench = makeBench(true);
    bench.run(["G1X1F100"], 1_000);
    expect(bench.link.fault()).toMatchObject({ kind: "alarm" });
    const next = makeGrblLink();
    next.send("$H", 1, bench.nowMs);
    let nowMs = bench.nowMs;
    const decoder = makeGrblDecoder();
    for (; !next.isAnswered() && nowMs < bench.nowMs + 10_000; nowMs += 1) {
      for (const event of decoder.push(bench.grbl.advance(nowMs))) next.receive(event, nowMs);
      next.tick(nowMs);
      bench.grbl.receive(bytesOf(next.takeRealtime() + next.takeOutput()), nowMs);
    }
    expect(next.isAnswered()).toBe(true);
    expect(next.fault()).toBeUndefined();
    expect(bench.grbl.state).toBe("Idle");
    expect(nowMs - bench.nowMs).toBeGreaterThan(1_000);
  });

  it("tells an alarm, a reset, silence and a lost answer apart (GL5)", () => {
    const tripped = makeBench();
    tripped.run(cut(60), 200);
    tripped.grbl.trip();
    tripped.run([], 200);
    expect(tripped.link.fault()).toEqual({ kind: "alarm", code: 1 });

    const restarted = makeBench();
    restarted.link.receive({ kind: "welcome", version: "1.1h" }, 0);
    expect(restarted.link.fault()).toEqual({ kind: "restarted" });

    const silent = makeBench();
    silent.run(cut(5), 60_000);
    silent.grbl.freeze();
    silent.run([], 4_000);
    expect(silent.link.fault()).toEqual({ kind: "silent" });

    const lost = makeBench();
    lost.grbl.loseOks(1);
    lost.run(["G90", "G91"], 5_000);
    expect(lost.link.fault()).toEqual({ kind: "lost answer" });
  });

  it("changes the feed while it cuts", () => {
    const bench = makeBench();
    bench.run(cut(5), 100);
    expect(bench.link.override("feed", 137)).toBe(true);
    expect(bench.link.override("rapid", 30)).toBe(false);
    bench.run([], 500);
    expect(bench.link.status()?.overrides).toMatchObject({ feed: 137 });
  });
});
