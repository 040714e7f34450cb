// The long-running part of `gantry voice`: a satellite, a Wyoming server, or both.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { openLoudspeaker } from "../adapters/audio-sink.ts";
import { openMicrophone } from "../adapters/audio-source.ts";
import { wyomingAddress } from "@gantry/shared/client/wyoming-call.ts";
import { startWyomingServer, type WyomingServer } from "../adapters/wyoming-server.ts";
import { openEars, openMouth, openStopEar } from "../voice/engines.ts";
import { readPhrases } from "../voice/enrolment.ts";
import { makeVoiceHub } from "../voice/hub-client.ts";
import type { Recogniser, VoiceMaker } from "../voice/ports.ts";
import { runSatellite, type Told, type VoiceHub } from "../voice/satellite-loop.ts";
import { typedForm } from "../voice/words/grammar.ts";
import { speakable } from "../voice/words/speakable.ts";
import { isOn, textOption } from "./args.ts";
import { type Context, showLine } from "./context.ts";
import { stopHere } from "./local-stop.ts";
import { openClient } from "./opening.ts";
import { cleanLine } from "./render/text.ts";
import { openDetector, openFrontEnd, type VoiceConfig, voiceConfigOf } from "./voice-parts.ts";
import { versionText } from "./commands/version.ts";

/** Until the microphone ends or somebody ends the program. */
export async function runVoice(context: Context): Promise<void> {
  const { world, options } = context;
  const config = voiceConfigOf(context);
  const { signal } = world;
  const phrases = await readPhrases(config.phrasesPath);
  const isOpen = isOn(options, "open");
  if (phrases.length === 0 && !isOpen) {
    throw new GantryError(
      "capability_missing",
      "No wake phrase is known here: run gantry voice enrol NAME, or gantry voice --open to answer all speech",
    );
  }
  const detector = await openDetector(config);
  const frontEnd = isOpen ? undefined : await openFrontEnd(config);
  await using recogniser = await openEars(config.voiceStt, config.engines, signal);
  await using mouth = await openMouth(config.voiceTts, config.engines, signal);
  const stopEar = await openStopEar(config.engines, signal);
  await using _stopEar = stopEar;
  await using loudspeaker = openLoudspeaker(config.voiceSpeaker, world.clock);
  const hub = hubOf(context, config);
  await using _served = await serveIfAsked(context, config, { recogniser, mouth, hub });
  if (stopEar === undefined) {
    world.stderr.write("pocketsphinx is not installed: stop words are heard in turns alone.\n");
  }
  if (!context.isJson) world.stderr.write(`${welcome(config, isOpen, phrases)}\n`);
  await runSatellite(
    {
      clock: world.clock,
      random: world.random,
      microphone: openMicrophone(
        textOption(options, "microphone") ?? config.voiceMicrophone,
        { clock: world.clock, stdin: world.stdin },
        signal,
      ),
      loudspeaker,
      detector,
      recogniser,
      ...(stopEar === undefined ? {} : { stopEar }),
      mouth,
      hub,
      ...(frontEnd === undefined ? {} : { wake: { frontEnd, phrases } }),
      voice: config.voiceVoice,
      isEchoCancelled: config.voiceEchoCancelled,
      tell: (told) => tell(context, told),
    },
    signal,
  );
}

/** The Wyoming services alone: no microphone. */
export async function serveVoice(context: Context): Promise<void> {
  const { world } = context;
  const config = voiceConfigOf(context);
  await using recogniser = await openEars(config.voiceStt, config.engines, world.signal);
  await using mouth = await openMouth(config.voiceTts, config.engines, world.signal);
  const hub = hubOf(context, config);
  const names = await hub.names(world.signal).catch(() => undefined);
  if (names !== undefined) await recogniser.learn?.(names, world.signal);
  await using server = await serveIfAsked(context, config, { recogniser, mouth, hub });
  if (server === undefined) {
    throw new GantryError("bad_config", "Set GANTRY_WYOMING_BIND or --bind, e.g. 127.0.0.1:10300");
  }
  await new Promise<void>((resolve) => {
    if (world.signal.aborted) resolve();
    world.signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

interface Served {
  readonly recogniser: Recogniser;
  readonly mouth: VoiceMaker;
  readonly hub: VoiceHub;
}

async function serveIfAsked(
  context: Context,
  config: VoiceConfig,
  { recogniser, mouth, hub }: Served,
): Promise<WyomingServer | undefined> {
  const { world, options } = context;
  const bind = textOption(options, "bind") ?? config.wyomingBind;
  if (bind === undefined) return undefined;
  const at = wyomingAddress(bind);
  const server = await startWyomingServer(
    {
      clock: world.clock,
      version: versionText(),
      recogniser,
      mouth,
      voice: config.voiceVoice,
      handle: (text, signal) => answerOf(hub, text, signal),
      typed: typedForm,
      onFault: (error) => world.stderr.write(`${cleanLine(String(error))}\n`),
    },
    at,
  );
  world.stderr.write(
    `Wyoming on ${at.host}:${server.port}: speech to text, text to speech, answers.\n`,
  );
  return server;
}

/** Of one sentence, for somebody else's voice: what waits for a word is confirmed elsewhere. */
async function answerOf(hub: VoiceHub, text: string, signal: AbortSignal): Promise<string> {
  let answer = "";
  const waits = await hub.ask(text, (piece) => (answer += piece), signal);
  const hint = waits === undefined ? "" : " Confirm it at the console or with gantry confirm.";
  return speakable(answer.replaceAll(/To start it, say: .*$/gmu, "") + hint);
}

const hubOf = (context: Context, config: VoiceConfig): VoiceHub =>
  makeVoiceHub({
    client: openClient(context),
    clock: context.world.clock,
    satellite: config.satellite,
    room: config.voiceRoom,
    stopHere: () => stopHere(context, undefined),
  });

function tell(context: Context, told: Told): void {
  if (context.isJson) return showLine(context, told);
  const line = lineOf(told);
  if (line !== undefined) context.world.stdout.write(`${cleanLine(line)}\n`);
}

function lineOf(told: Told): string | undefined {
  switch (told.type) {
    case "heard":
      return told.text === "" ? "(not understood)" : `you> ${told.text}`;
    case "said":
      return `     ${told.text}`;
    case "order":
      return "HALT";
    case "wake":
      return `(${told.phrase})`;
    case "fault":
      return `fault: ${told.message}`;
    case "state":
    case "silenced":
      return undefined;
  }
}

function welcome(
  { satellite, voiceRoom }: VoiceConfig,
  isOpen: boolean,
  phrases: readonly { readonly name: string }[],
): string {
  const how = isOpen
    ? "answers all speech"
    : `wakes by ${phrases.map(({ name }) => name).join(", ")}`;
  return cleanLine(`${satellite} in ${voiceRoom} ${how}. "stop" and "emergency stop" work always.`);
}
