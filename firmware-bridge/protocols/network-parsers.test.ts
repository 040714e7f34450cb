// What other programs send is never believed: whatever arrives, each parser gives a status that the
// contract allows, or says that it understood nothing.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { printerSchema } from "@gantry/shared/contract/bridge.ts";
import { makeBambuView } from "./bambu.ts";
import { parseChallenge } from "./digest-auth.ts";
import { type Facts, listAt, mergeFacts, parseFacts } from "./facts.ts";
import { isUploaded, makeMoonrakerView, moonrakerOutcome, parseMoonraker } from "./moonraker.ts";
import { isTaken, octoprintOutcome, octoprintStatus } from "./octoprint.ts";
import { makePrusalinkView, prusalinkStorage } from "./prusalink.ts";
import type { RemoteStatus } from "./remote.ts";

/** Real names with any values under them, so that the parsers get past their first look. */
const NAMES = `
  print info ams tray hms module gcode_state subtask_name mc_percent nozzle_temper
  remain tray_now id attr code print_error err_code printer job state flags progress
  completion file path display_name temperature tool0 bed actual target temp_nozzle
  status_printer message print_stats filename virtual_sdcard webhooks extruder toolhead
  method axis_maximum params result error jobs status devices stream_url text
  storage_list files local prints last success command __proto__
`
  .trim()
  .split(/\s+/);
const WORDS = [
  "RUNNING",
  "FAILED",
  "PRINTING",
  "FINISHED",
  "printing",
  "complete",
  "push_status",
  "ready",
];

const { json } = fc.letrec<{ json: unknown; object: unknown; list: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(...WORDS),
    fc.string(),
    fc.double(),
    fc.integer(),
    fc.constantFrom(null, true, false, Number.MAX_VALUE, -1, "1e999", "12"),
    tie("list"),
    tie("object"),
  ),
  list: fc.array(tie("json"), { maxLength: 20 }),
  object: fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string()), tie("json"), {
    maxKeys: 8,
  }),
}));
const object = fc.dictionary(fc.constantFrom(...NAMES), json, {
  maxKeys: 12,
}) as fc.Arbitrary<Facts>;

const PRINTER = {
  id: "p",
  driver: "x",
  phase: "idle",
  sizeMm: { x: 1, y: 1, z: 1 },
  nozzleMaxC: 1,
  bedMaxC: 1,
};

/** What of a status is told must be what the contract allows. */
function expectContract(status: RemoteStatus): void {
  const { activity, file, fault, ...told } = status;
  expect(typeof activity).toBe("string");
  for (const text of [file, fault]) expect((text ?? "").length).toBeLessThanOrEqual(400);
  const { sizeMm = PRINTER.sizeMm } = told;
  expect(printerSchema.safeParse({ ...PRINTER, ...told, sizeMm }).error).toBeUndefined();
}

describe("parsers of network printers", () => {
  it("Moonraker: any text and any objects", () => {
    fc.assert(
      fc.property(fc.string(), json, object, object, json, (text, value, first, second, list) => {
        parseMoonraker(text);
        parseMoonraker(JSON.stringify(value));
        isUploaded(JSON.stringify(value), "a");
        moonrakerOutcome(value, "a");
        const view = makeMoonrakerView();
        view.klippy("ready", text);
        view.identify(first);
        view.subscribed(first);
        view.changed(second);
        view.changed(value);
        view.power(listAt({ devices: list }, "devices"), true);
        view.webcams([first, second], "http://10.0.0.1/");
        expectContract(view.status());
      }),
    );
  });

  it("OctoPrint: any objects", () => {
    fc.assert(
      fc.property(
        object,
        fc.option(object, { nil: undefined }),
        object,
        json,
        (version, printer, job, value) => {
          expectContract(octoprintStatus({ version, printer, job }));
          octoprintOutcome(JSON.stringify(value));
          isTaken(JSON.stringify(value), "a");
        },
      ),
    );
  });

  it("PrusaLink: any objects, and any challenge", () => {
    fc.assert(
      fc.property(
        object,
        object,
        fc.option(object, { nil: undefined }),
        json,
        fc.string(),
        (version, status, job, value, text) => {
          const view = makePrusalinkView();
          expectContract(view.see({ version, status, job }));
          expectContract(view.see({ version, status, job: undefined }));
          prusalinkStorage(value);
          parseChallenge(text);
          parseChallenge(`Digest ${text}`);
        },
      ),
    );
  });

  it("Bambu: any reports, one merged into the other", () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 6 }), fc.string(), (reports, text) => {
        const view = makeBambuView();
        view.take(text);
        for (const print of reports) {
          view.take(JSON.stringify({ print: { ...print, command: "push_status" } }));
          view.take(JSON.stringify({ print, info: print }));
          view.take(JSON.stringify({ info: { ...print, command: "get_version" } }));
        }
        expectContract(view.status());
      }),
    );
  });

  it("merging leaves no way into the objects' own machinery, and ends at a depth", () => {
    const hostile = parseFacts(
      '{"__proto__": {"isAdmin": true}, "constructor": {"a": 1}, "b": {"c": 1}}',
    );
    const merged = mergeFacts({ b: { d: 2 } }, hostile ?? {});
    expect(merged).toEqual({ b: { c: 1, d: 2 } });
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
    const deep = `${'{"a":'.repeat(2_000)}1${"}".repeat(2_000)}`;
    expect(JSON.stringify(mergeFacts({}, parseFacts(deep) ?? {})).length).toBeLessThan(200);
  });

  it("lists are cut at their bound", () => {
    const hms = Array.from({ length: 500 }, (_, attr) => ({ attr, code: attr }));
    const view = makeBambuView();
    view.take(JSON.stringify({ print: { command: "push_status", gcode_state: "IDLE", hms } }));
    expect(view.status().notices).toHaveLength(LIMIT.printerFacts.max);
  });
});
