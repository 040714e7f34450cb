import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { bambuStart, makeBambuView } from "./bambu.ts";
import { digestAuthorization, type DigestHash, parseChallenge } from "./digest-auth.ts";
import { makeMoonrakerView, moonrakerOutcome, publicUrl } from "./moonraker.ts";
import { octoprintOutcome, octoprintStatus } from "./octoprint.ts";
import { makePrusalinkView } from "./prusalink.ts";
import { storedZip } from "./zip-stored.ts";

const flags = (...names: string[]) => ({
  state: { flags: Object.fromEntries(["operational", ...names].map((name) => [name, true])) },
});
const octoJob = (completion: number | null, state = "Operational") => ({
  job: { file: { path: "a.gcode" } },
  progress: { completion, printTimeLeft: 30 },
  state,
});

const see = (state: string, id?: number) => ({
  version: {},
  status: { printer: { state }, ...(id === undefined ? {} : { job: { id, progress: 40 } }) },
});
const file = { name: "GANTRY~1.GCO", display_name: "a.gcode" };

const hash: DigestHash = (name, text) =>
  createHash(name === "MD5" ? "md5" : "sha256")
    .update(text)
    .digest("hex");

const report = (print: object): string =>
  JSON.stringify({ print: { command: "push_status", ...print } });

describe("Klipper through Moonraker", () => {
  it("is what it says of itself while it is not ready, whatever its objects said before (MK3)", () => {
    const view = makeMoonrakerView();
    view.subscribed({ print_stats: { state: "printing", filename: "a.gcode" } });
    view.klippy("startup");
    expect(view.status()).toMatchObject({ activity: "starting" });
    view.klippy("error", "mcu 'mcu': Unable to connect\nOnce fixed ...");
    expect(view.status()).toMatchObject({
      activity: "fault",
      fault: "mcu 'mcu': Unable to connect Once fixed ...",
    });
    view.klippy("ready");
    view.subscribed({
      webhooks: { state: "ready" },
      print_stats: { state: "standby", filename: "" },
    });
    expect(view.status()).toEqual({ activity: "idle", isSimulated: false });
  });

  it("merges what changed into what was known (MK2)", () => {
    const view = makeMoonrakerView();
    view.klippy("ready");
    view.subscribed({
      print_stats: { state: "printing", filename: "a.gcode", print_duration: 100 },
      virtual_sdcard: { progress: 0.1 },
      extruder: { temperature: 100, target: 210 },
      toolhead: { axis_maximum: [300, 300, 280.5, 0] },
    });
    view.changed({ virtual_sdcard: { progress: 0.5 }, extruder: { temperature: 209.5 } });
    expect(view.status()).toMatchObject({
      activity: "printing",
      file: "a.gcode",
      progress: 0.5,
      remainingS: 100,
      temperatures: { nozzleC: 209.5, nozzleTargetC: 210, bedC: 0, bedTargetC: 0 },
      sizeMm: { x: 300, y: 300, z: 280.5 },
    });
  });

  it("tells outlets and the camera, without the camera's password", () => {
    const view = makeMoonrakerView();
    view.power(
      [
        { device: "mains", status: "on" },
        { device: "light", status: "off" },
      ],
      true,
    );
    view.power([{ device: "light", status: "on" }], false);
    view.webcams(
      [{ enabled: false, stream_url: "/off" }, { stream_url: "/webcam/?action=stream" }],
      "http://10.0.0.5/",
    );
    expect(view.status()).toMatchObject({
      power: [
        { name: "mains", isOn: true },
        { name: "light", isOn: true },
      ],
      webcamUrl: "http://10.0.0.5/webcam/?action=stream",
    });
    expect(publicUrl("http://me:hunter2@10.0.0.6/x", "http://a/")).toBe("http://10.0.0.6/x");
    expect(publicUrl("javascript:alert(1)", "http://a/")).toBeUndefined();
  });

  it.each([
    ["completed", "done"],
    ["cancelled", "cancelled"],
    ["klippy_shutdown", "failed"],
    ["interrupted", "unknown"],
    ["toString", "unknown"],
  ])("remembers a %s job as %s", (status, outcome) => {
    const jobs = [
      { filename: "other", status: "error" },
      { filename: "a", status },
    ];
    expect(moonrakerOutcome({ jobs }, "a")).toBe(outcome);
  });
});

describe("OctoPrint", () => {
  it.each([
    ["printing", flags("printing"), octoJob(12.5, "Printing"), "printing"],
    [
      "pausing, which still moves",
      flags("printing", "pausing"),
      octoJob(12, "Pausing"),
      "printing",
    ],
    ["paused", flags("paused"), octoJob(12, "Paused"), "paused"],
    ["cancelling", flags("cancelling"), octoJob(12, "Cancelling"), "finishing"],
    ["done (OP1)", flags("ready"), octoJob(100), "done"],
    ["idle with a file selected", flags("ready"), octoJob(null), "idle"],
    ["not connected to its printer", undefined, octoJob(null, "Offline"), "fault"],
    ["connecting", undefined, octoJob(null, "Detecting serial connection"), "starting"],
    ["in error", flags("error", "closedOrError"), octoJob(3, "Error"), "fault"],
  ])("is %s", (_what, printer, said, activity) => {
    expect(octoprintStatus({ version: {}, printer, job: said }).activity).toBe(activity);
  });
  it("remembers a file's last print", () => {
    expect(octoprintOutcome('{"prints":{"last":{"success":true}}}')).toBe("done");
    expect(octoprintOutcome('{"prints":{"last":{"success":false}}}')).toBe("failed");
    expect(octoprintOutcome('{"name":"a"}')).toBe("unknown");
  });
});

describe("PrusaLink", () => {
  it("knows the file by the name that is shown (PL1), and a finished one by its number (PL2)", () => {
    const view = makePrusalinkView();
    const printing = view.see({ ...see("PRINTING", 7), job: { id: 7, file } });
    expect(printing).toMatchObject({ activity: "printing", file: "a.gcode", progress: 0.4 });
    expect(view.jobNumber()).toBe(7);
    expect(view.see({ ...see("FINISHED", 7), job: undefined })).toMatchObject({
      activity: "done",
      file: "a.gcode",
    });
    expect(view.see({ ...see("FINISHED", 8), job: undefined }).file).toBeUndefined();
  });

  it("waits for a person in ATTENTION, and says so", () => {
    const status = makePrusalinkView().see({ ...see("ATTENTION"), job: undefined });
    expect(status).toMatchObject({
      activity: "paused",
      notices: ["Somebody must look at the printer"],
    });
  });

  // RFC 7616, section 3.9.1: the worked example, with both of its algorithms.
  it.each([
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ])("proves the password with %s as the RFC's example does", (algorithm, response) => {
    const challenge = parseChallenge(
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
    );
    if (challenge === undefined) throw new Error("the challenge was not understood");
    const ask = {
      method: "GET",
      uri: "/dir/index.html",
      user: "Mufasa",
      password: "Circle of Life",
      count: 1,
      cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    };
    const header = digestAuthorization(challenge, ask, hash);
    expect(header).toContain(`response="${response}"`);
    expect(header).not.toContain("Circle of Life");
  });
});

describe("Bambu", () => {
  it("merges reports of what changed, trays one by one (BA1)", () => {
    const view = makeBambuView();
    const tray = { tray_type: "PLA", tray_color: "FF6A13FF", remain: 80 };
    view.take(
      report({ gcode_state: "RUNNING", subtask_name: "a", mc_percent: 10, nozzle_temper: 200 }),
    );
    view.take(
      report({
        ams: { tray_now: "0", ams: [{ id: "0", tray: [{ id: "0", ...tray }, { id: "1" }] }] },
      }),
    );
    view.take(report({ mc_percent: 55, mc_remaining_time: 3 }));
    view.take(report({ ams: { ams: [{ id: "0", tray: [{ id: "0", remain: 70 }] }] } }));
    expect(view.status()).toMatchObject({
      activity: "printing",
      file: "a",
      progress: 0.55,
      remainingS: 180,
      materials: [
        { slot: "1-1", material: "PLA", color: "FF6A13", remaining: 0.7, isActive: true },
      ],
    });
  });

  it("names health messages and errors as its maker's pages do", () => {
    const view = makeBambuView();
    const hms = [{ attr: 0x0500_0500, code: 0x0001_0007 }];
    view.take(report({ gcode_state: "FAILED", print_error: 0x0300_8008, hms }));
    expect(view.status()).toMatchObject({
      activity: "failed",
      fault: "The printer stopped the print with 0300-8008",
      notices: ["Print error 0300-8008", "HMS 0500-0500-0001-0007"],
    });
    view.take(report({ print_error: 50_348_044, hms: [] }));
    const status = view.status();
    expect(status.activity).toBe("cancelled");
    expect(status.notices).toBeUndefined();
  });

  it("says what to do where commands must be signed (BA3)", () => {
    const view = makeBambuView();
    const refused = { command: "pause", sequence_id: "4", err_code: 84_033_543 };
    expect(view.take(JSON.stringify({ print: refused }))).toMatchObject({
      kind: "answer",
      sequence: "4",
      refusal: expect.stringContaining("developer mode"),
    });
  });

  it("starts the plate of an archive that bears the job's name (BA2)", () => {
    expect(JSON.parse(bambuStart("7", "gantry-j.gcode", false))).toMatchObject({
      print: {
        command: "project_file",
        sequence_id: "7",
        param: "Metadata/plate_1.gcode",
        url: "ftp:///gantry-j.gcode.3mf",
        subtask_name: "gantry-j.gcode",
        use_ams: false,
      },
    });
  });

  it("stores files in an archive that says where each is", () => {
    const files = [
      { name: "a.txt", bytes: Buffer.from("hello") },
      { name: "dir/ü.txt", bytes: Buffer.alloc(70_000, 7) },
    ];
    const zip = storedZip(
      files.map(({ name, bytes }) => ({ name, sizeBytes: bytes.length, crc32: crc32(bytes) })),
    );
    const parts = files.flatMap(({ bytes }, index) => [
      zip.heads[index] ?? new Uint8Array(),
      bytes,
    ]);
    const archive = Buffer.concat([...parts, zip.tail]);
    expect(archive).toHaveLength(zip.sizeBytes);
    // Read as a reader does: from the end record to the directory to each file.
    const end = archive.length - 22;
    expect(archive.readUInt32LE(end)).toBe(0x0605_4b50);
    let at = archive.readUInt32LE(end + 16);
    for (const { name, bytes } of files) {
      expect(archive.readUInt32LE(at)).toBe(0x0201_4b50);
      const nameBytes = archive.readUInt16LE(at + 28);
      expect(archive.toString("utf8", at + 46, at + 46 + nameBytes)).toBe(name);
      const local = archive.readUInt32LE(at + 42);
      const start = local + 30 + archive.readUInt16LE(local + 26);
      expect(archive.subarray(start, start + archive.readUInt32LE(at + 24))).toEqual(bytes);
      expect(archive.readUInt32LE(at + 16)).toBe(crc32(bytes));
      at += 46 + nameBytes;
    }
    expect(at).toBe(end);
  });
});
