// A Bambu printer in LAN mode: MQTT over TLS for status and commands, FTPS for files.
//
// BB1. It has no emergency stop on the network: `halt` stops the print, which is the most it offers.
// BB2. Who says nothing for TIMEOUT.printerAnswerMs is asked its version; no word by the next time
//      ends the connection. `pushall` is asked for once a connection: the small models suffer from it.
// BB3. The access code leaves only after the certificate was found to be the printer's (PI1).

import { createHash } from "node:crypto";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { crc32 } from "node:zlib";
import mqtt, { type MqttClient } from "mqtt";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { PrintFile, RemoteEvents, RemotePrinter, RemoteSession } from "../ports.ts";
import {
  BAMBU_PLATE,
  bambuCommand,
  bambuFile,
  bambuGetVersion,
  bambuPackage,
  bambuPushAll,
  bambuStart,
  bambuTopics,
  makeBambuView,
} from "../protocols/bambu.ts";
import { storedZip } from "../protocols/zip-stored.ts";
import { type FtpsOptions, ftpsRemove, ftpsUpload } from "./ftps.ts";
import type { CheckPeer } from "./pins.ts";

export interface BambuOptions {
  readonly host: string;
  readonly serial: string;
  readonly code: string;
  readonly hasAms: boolean;
  readonly checkPeer: CheckPeer;
  readonly clock: Clock;
  readonly mqttPort: number;
  readonly ftpsPort: number;
}

/** The printer's own, fixed. */
export const BAMBU_PORTS = { mqttPort: 8_883, ftpsPort: 990 } as const;
const USER = "bblp";
/** Not every model answers every command; what it then does shows in its status. */
const ANSWER_MS = 3_000;

export const bambuPrinter = (options: BambuOptions): RemotePrinter => ({
  driver: "bambu",
  open: (events, signal) => open(options, events, signal),
});

async function open(
  options: BambuOptions,
  events: RemoteEvents,
  signal: AbortSignal,
): Promise<RemoteSession> {
  const { serial, clock, host, code, ftpsPort, checkPeer, hasAms } = options;
  const topics = bambuTopics(serial);
  const view = makeBambuView();
  const answers = new Map<string, (refusal: string | undefined) => void>();
  const whole = Promise.withResolvers<void>();
  const ended = new AbortController();
  let sequence = 0;
  let heard = 0;
  let isTelling = false;

  const closed = (why: string): void => {
    if (ended.signal.aborted) return;
    const error = new GantryError("unreachable", `The connection to the printer ended: ${why}`);
    ended.abort(error);
    whole.reject(error);
    client.end(true);
    events.onClosed(why);
  };
  whole.promise.catch(() => undefined); // awaited below, if it comes so far

  const client = await openMqtt(options, signal);
  client.on("close", () => closed("closed by the printer"));
  client.on("error", () => closed("it speaks no MQTT"));
  client.on("message", (_topic, payload) => {
    if (ended.signal.aborted) return;
    heard += 1;
    const isLong = payload.length > LIMIT.printerReplyBytes.max;
    const message = isLong ? undefined : view.take(payload.toString("utf8"));
    if (message === undefined) return closed("a report is no JSON object, or too long");
    if (message.kind === "answer") answers.get(message.sequence)?.(message.refusal);
    if (message.kind !== "status") return;
    if (view.isWhole()) whole.resolve();
    if (isTelling) events.onStatus(view.status());
  });

  const nextSequence = (): string => String((sequence += 1));

  /** Resolves when the broker in the printer has it. */
  async function publish(text: string, limited: AbortSignal): Promise<void> {
    const either = AbortSignal.any([limited, ended.signal]);
    await before(either, client.publishAsync(topics.request, text, { qos: 1 }));
  }

  async function command(make: (sequence: string) => string, limited: AbortSignal): Promise<void> {
    const own = nextSequence();
    const answer = Promise.withResolvers<string | undefined>();
    answers.set(own, answer.resolve);
    try {
      await publish(make(own), limited);
      const patience = clock.timeout(ANSWER_MS, AbortSignal.any([limited, ended.signal]));
      const refusal = await before(patience, answer.promise).catch(() => undefined);
      if (refusal === undefined) return;
      const details = { isRefused: true };
      throw new GantryError("device_fault", `The printer refuses: ${refusal}`, { details });
    } finally {
      answers.delete(own);
    }
  }

  const scope = makeScope((_task, error) =>
    closed(error instanceof GantryError ? error.message : "a fault in the driver"),
  );

  /** BB2 */
  async function watch(watching: AbortSignal): Promise<void> {
    for (let silences = 0; ;) {
      const before = heard;
      await clock.sleep(TIMEOUT.printerAnswerMs, watching);
      silences = heard === before ? silences + 1 : 0;
      if (silences > 1) throw new GantryError("timeout", "The printer says nothing any more");
      if (silences === 1) await publish(bambuGetVersion(nextSequence()), limitOf(watching));
    }
  }
  const limitOf = (parent: AbortSignal): AbortSignal =>
    clock.timeout(TIMEOUT.printerAnswerMs, parent);

  try {
    await before(signal, client.subscribeAsync(topics.report, { qos: 0 }));
    await publish(bambuGetVersion(nextSequence()), signal);
    await publish(bambuPushAll(nextSequence()), signal);
    await before(signal, whole.promise);
  } catch (error) {
    closed("not opened");
    throw error;
  }
  isTelling = true;
  events.onStatus(view.status());
  scope.start("watch", watch);
  const ftps: FtpsOptions = { host, port: ftpsPort, user: USER, password: code, checkPeer };
  return {
    upload: (name, file, limited) => upload(ftps, name, file, limited),
    begin: (name, limited) => command((own) => bambuStart(own, name, hasAms), limited),
    pause: (limited) => command((own) => bambuCommand(own, "pause"), limited),
    resume: (limited) => command((own) => bambuCommand(own, "resume"), limited),
    cancel: (limited) => command((own) => bambuCommand(own, "stop"), limited),
    halt: (limited) => command((own) => bambuCommand(own, "stop"), limited), // BB1
    recover: (limited) => command((own) => bambuCommand(own, "clean_print_error"), limited),
    outcome: () => Promise.resolve("unknown"), // on the network it keeps no history
    remove: (name, limited) => ftpsRemove(ftps, bambuFile(name), limited),
    async close() {
      closed("closed");
      await scope.close();
    },
  };
}

/** The promise, unless the signal is first. */
async function before<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(reasonOf(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  promise.catch(() => undefined); // it may fail after the signal won
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** BB3 */
async function openMqtt(options: BambuOptions, signal: AbortSignal): Promise<MqttClient> {
  const { host, mqttPort, code, checkPeer } = options;
  signal.throwIfAborted();
  const socket = connectTls({ host, port: mqttPort, rejectUnauthorized: false });
  try {
    await before(signal, secured(socket, host));
    await before(signal, checkPeer(socket));
    const client = new mqtt.MqttClient(() => socket, {
      username: USER,
      password: code,
      clean: true,
      reconnectPeriod: 0, // the driver opens another one
      connectTimeout: TIMEOUT.printerConnectMs,
      keepalive: 20,
    });
    await before(signal, connected(client));
    return client;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function secured(socket: TLSSocket, host: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause?: NodeJS.ErrnoException): void => {
    const why = cause?.code ?? "the connection was closed";
    reject(new GantryError("unreachable", `${host} does not answer: ${why}`));
  };
  socket.once("secureConnect", resolve);
  socket.on("error", failed);
  socket.once("close", () => failed());
  return promise;
}

/** MQTT 3.1.1, 3.2.2.3: a bad name or password, and not authorised. */
const NO_ENTRY: ReadonlySet<unknown> = new Set([4, 5]);

function connected(client: MqttClient): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once("connect", () => resolve());
  client.on("error", (error) => {
    const { code } = error as { readonly code?: unknown };
    reject(
      NO_ENTRY.has(code)
        ? new GantryError("unauthenticated", "The printer does not take our access code")
        : new GantryError("unreachable", "The printer speaks no MQTT"),
    );
  });
  client.once("close", () => reject(new GantryError("unreachable", "The printer hung up")));
  return promise;
}

/** As one plate in an archive: what the printer starts is a project. */
async function upload(
  ftps: FtpsOptions,
  name: string,
  file: PrintFile,
  signal: AbortSignal,
): Promise<void> {
  let sum = 0;
  const md5 = createHash("md5");
  for await (const chunk of file.chunks()) {
    sum = crc32(chunk, sum);
    md5.update(chunk);
  }
  const small = bambuPackage(md5.digest("hex").toUpperCase()).map(([entry, text]) => ({
    entry,
    bytes: Buffer.from(text),
  }));
  const zip = storedZip([
    ...small.map(({ entry, bytes }) => ({
      name: entry,
      sizeBytes: bytes.length,
      crc32: crc32(bytes),
    })),
    { name: BAMBU_PLATE, sizeBytes: file.sizeBytes, crc32: sum },
  ]);

  async function* archive(): AsyncIterable<Uint8Array> {
    for (const [index, { bytes }] of small.entries()) {
      yield headAt(index);
      yield bytes;
    }
    yield headAt(small.length);
    yield* file.chunks();
    yield zip.tail;
  }
  const headAt = (index: number): Uint8Array => zip.heads[index] ?? new Uint8Array();
  await ftpsUpload(ftps, bambuFile(name), archive(), signal);
}
