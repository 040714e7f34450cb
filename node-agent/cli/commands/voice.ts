// gantry voice: this machine listens and answers. Also: learning a wake phrase, what there is to listen
// with, and how well a file is understood.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { openMicrophone } from "../../adapters/audio-source.ts";
import { EAR_HZ } from "../../voice/audio/pcm.ts";
import { resampled } from "../../voice/audio/resample.ts";
import { readWav } from "../../voice/audio/wav.ts";
import { enrolPhrase } from "../../voice/audio/wake-score.ts";
import { findModel, openEars, openMouth } from "../../voice/engines.ts";
import { keepPhrase, nextUtterance, readPhrases, windowOf } from "../../voice/enrolment.ts";
import { typedForm } from "../../voice/words/grammar.ts";
import { localOrderOf } from "../../voice/words/stop-words.ts";
import { badUsage } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { openDetector, openFrontEnd, voiceConfigOf } from "../voice-parts.ts";

const RECORDINGS = 5;
const FILE_BYTES_MAX = 64_000_000;
const run = promisify(execFile);

export const voice: Command = async (context) => {
  const [verb = "run"] = context.words;
  switch (verb) {
    case "run": {
      const { runVoice } = await import("../voice-run.ts");
      return runVoice(context);
    }
    case "serve": {
      const { serveVoice } = await import("../voice-run.ts");
      return serveVoice(context);
    }
    case "enrol":
      return enrol(context);
    case "devices":
      return devices(context);
    case "test":
      return test(context);
    default:
      throw badUsage(
        context.name,
        context.spec,
        `"${verb}" is not run, serve, enrol, devices or test`,
      );
  }
};

async function enrol(context: Context): Promise<void> {
  const { world, words } = context;
  const name = wordAt(context, 1, "The phrase's name");
  const files = words.slice(2);
  const config = voiceConfigOf(context);
  const detector = await openDetector(config);
  const frontEnd = await openFrontEnd(config);
  const windows: Float32Array[] = [];
  if (files.length > 0) {
    for (const file of files) {
      windows.push(await windowOf(await soundOf(resolve(world.cwd, file)), detector, frontEnd));
    }
  } else {
    for (let count = 1; count <= RECORDINGS; count += 1) {
      world.stderr.write(`Say "${cleanLine(name)}" now (${count} of ${RECORDINGS}) ...\n`);
      const ports = { clock: world.clock, stdin: world.stdin };
      const heard = new AbortController();
      const signal = AbortSignal.any([world.signal, heard.signal]);
      const said = await nextUtterance(
        openMicrophone(config.voiceMicrophone, ports, signal),
        detector,
      );
      heard.abort();
      if (said === undefined) break;
      windows.push(await windowOf(said, detector, frontEnd));
    }
  }
  const phrase = enrolPhrase(name, windows);
  await keepPhrase(config.phrasesPath, phrase);
  const { threshold } = phrase;
  show(context, { name, recordings: windows.length, threshold }, () =>
    cleanLine(`"${name}" is known from ${windows.length} recordings. Run: gantry voice`),
  );
}

/** What is here to listen and to speak with. */
async function devices(context: Context): Promise<void> {
  const config = voiceConfigOf(context);
  const { signal } = context.world;
  const rows = [
    ["microphone", config.voiceMicrophone, await cards("arecord")],
    ["loudspeaker", config.voiceSpeaker, await cards("aplay")],
    [
      "speech to text",
      config.voiceStt,
      await tried(() => openEars(config.voiceStt, config.engines, signal)),
    ],
    [
      "text to speech",
      config.voiceTts,
      await tried(() => openMouth(config.voiceTts, config.engines, signal)),
    ],
    ["voice detector", "Silero", await found(findModel("detector", config.folders))],
    ["wake word", "openWakeWord", await found(findModel("embedding", config.folders))],
    [
      "wake phrases",
      config.phrasesPath,
      (await readPhrases(config.phrasesPath)).map(({ name }) => name).join(", ") || "none",
    ],
  ] as const;
  const reply = { parts: rows.map(([part, configured, state]) => ({ part, configured, state })) };
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "PART", value: (row) => row.part },
        { title: "CONFIGURED", value: (row) => row.configured },
        { title: "FOUND", value: (row) => row.state },
      ],
      reply.parts,
      "Nothing.",
    ),
  );
}

/** How a file would be understood: no hub is asked, nothing is done. */
async function test(context: Context): Promise<void> {
  const { world } = context;
  const file = wordAt(context, 1, "The WAV file");
  const config = voiceConfigOf(context);
  const detector = await openDetector(config);
  await using ears = await openEars(config.voiceStt, config.engines, world.signal);
  const samples = await soundOf(resolve(world.cwd, file));
  const heard: { text: string; order: string | undefined; tookMs: number }[] = [];
  const pieces = (async function* pieces(): AsyncGenerator<Int16Array> {
    yield samples;
    yield new Int16Array(EAR_HZ); // what ends with the file ends
  })();
  for (;;) {
    const said = await nextUtterance(pieces, detector);
    if (said === undefined) break;
    const fromMs = world.clock.monotonic();
    const hearing = ears.begin();
    hearing.push(said);
    const text = typedForm(await hearing.finish(world.signal));
    const tookMs = Math.round(world.clock.monotonic() - fromMs);
    heard.push({ text, order: localOrderOf(text), tookMs });
  }
  show(context, { engine: ears.name, heard }, () =>
    heard
      .map(({ text, tookMs }) =>
        cleanLine(`${text === "" ? "(not understood)" : text}  ${tookMs} ms`),
      )
      .join("\n"),
  );
}

async function soundOf(path: string): Promise<Int16Array> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new GantryError("not_found", `${path} cannot be read`, { cause });
  });
  if (bytes.byteLength > FILE_BYTES_MAX) throw new GantryError("too_large", `${path} is too long`);
  const { hz, samples } = readWav(bytes);
  return resampled(samples, hz, EAR_HZ);
}

async function cards(program: string): Promise<string> {
  try {
    const { stdout } = await run(program, ["-l"]);
    const names = [...stdout.matchAll(/^card (\d+):[^[]*\[([^\]]*)\], device (\d+)/gmu)];
    return names.map(([, card, name, at]) => `hw:${card},${at} ${name}`).join("; ") || "no card";
  } catch {
    return `${program} is not installed, or there is no sound here`;
  }
}

async function tried(
  open: () => Promise<AsyncDisposable & { readonly name: string }>,
): Promise<string> {
  try {
    await using engine = await open();
    return engine.name;
  } catch (error) {
    return error instanceof GantryError ? error.message : String(error);
  }
}

const found = (path: Promise<string>): Promise<string> =>
  path.catch((error: unknown) => (error instanceof GantryError ? error.message : String(error)));
