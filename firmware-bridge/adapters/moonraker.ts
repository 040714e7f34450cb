// A Klipper printer through Moonraker: JSON-RPC over WebSocket, files over HTTP.
//
// MA1. It is asked how Klipper is every TIMEOUT.printerPollMs; no answer within printerAnswerMs ends
//      the connection, so a hung machine is seen although its socket stays open.
// MA2. Each time Klipper becomes ready, its objects are subscribed to anew.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { PrintFile, RemoteEvents, RemotePrinter, RemoteSession } from "../ports.ts";
import { type Facts, factsAt, isFacts, listAt, textAt } from "../protocols/facts.ts";
import {
  isUploaded,
  makeMoonrakerView,
  MOONRAKER_OBJECTS,
  moonrakerOutcome,
} from "../protocols/moonraker.ts";
import { assertGood, type HttpSend, makeHttpSend, multipart } from "./http-client.ts";
import { type JsonRpc, openJsonRpc } from "./json-rpc.ts";

export interface MoonrakerOptions {
  /** http: or https:, with the port. */
  readonly base: URL;
  readonly key: string | undefined;
  readonly clock: Clock;
}

const CLIENT = {
  client_name: "gantry",
  version: "1",
  type: "other",
  url: "https://gantry.invalid",
} as const;

export const moonrakerPrinter = (options: MoonrakerOptions): RemotePrinter => ({
  driver: "moonraker",
  open: (events, signal) => open(options, events, signal),
});

async function open(
  options: MoonrakerOptions,
  events: RemoteEvents,
  signal: AbortSignal,
): Promise<RemoteSession> {
  const { base, key, clock } = options;
  const view = makeMoonrakerView();
  let isOpen = false;
  const tell = (): void => {
    if (isOpen) events.onStatus(view.status());
  };
  const url = new URL("/websocket", base);
  url.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  const rpc = await openJsonRpc(url, { onNotice, onClosed: (why) => events.onClosed(why) }, signal);
  const scope = makeScope((_task, error) => rpc.close(whyOf(error)));
  const asked = (): AbortSignal => clock.timeout(TIMEOUT.printerAnswerMs, scope.signal);

  function onNotice(method: string, params: readonly unknown[]): void {
    const [first] = params;
    if (method === "notify_status_update") view.changed(first);
    else if (method === "notify_power_changed") view.power(isFacts(first) ? [first] : [], false);
    else if (method === "notify_klippy_disconnected") view.klippy("disconnected");
    else if (method === "notify_klippy_ready" || method === "notify_klippy_shutdown") {
      scope.start("look", (signal) => look(rpc, clock.timeout(TIMEOUT.printerAnswerMs, signal)));
      return;
    } else return;
    tell();
  }

  /** MA2. One look at a time is enough: the next one comes by itself. */
  async function look(rpc: JsonRpc, limited: AbortSignal): Promise<void> {
    const wasReady = view.isReady();
    const info = await ask(rpc, "server.info", {}, limited);
    const klippy = textAt(info, "klippy_state") ?? "disconnected";
    if (klippy === "ready" && wasReady) return tell();
    view.klippy(klippy);
    if (klippy !== "disconnected" && info["klippy_connected"] !== false) {
      const printer = await ask(rpc, "printer.info", {}, limited);
      view.identify(printer);
      view.klippy(textAt(printer, "state") ?? klippy, textAt(printer, "state_message"));
    }
    if (klippy === "ready") await subscribe(rpc, limited);
    tell();
  }

  async function subscribe(rpc: JsonRpc, limited: AbortSignal): Promise<void> {
    const listed = (await ask(rpc, "printer.objects.list", {}, limited))["objects"];
    const names: readonly unknown[] = Array.isArray(listed) ? listed : [];
    const objects = Object.fromEntries(
      Object.entries(MOONRAKER_OBJECTS).filter(([name]) => names.includes(name)),
    );
    const result = await ask(rpc, "printer.objects.subscribe", { objects }, limited);
    view.subscribed(factsAt(result, "status"));
  }

  /** What a Moonraker may be without: it is asked once, and no answer is no fault. */
  async function furnish(limited: AbortSignal): Promise<void> {
    const power = await ask(rpc, "machine.device_power.devices", {}, limited).catch(noneIfNo);
    view.power(listAt(power, "devices"), true);
    const cameras = await ask(rpc, "server.webcams.list", {}, limited).catch(noneIfNo);
    view.webcams(listAt(cameras, "webcams"), `${base.protocol}//${base.hostname}/`);
  }

  /** MA1 */
  async function watch(signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(TIMEOUT.printerPollMs, signal);
      await look(rpc, clock.timeout(TIMEOUT.printerAnswerMs, signal));
    }
  }

  try {
    const identity = key === undefined ? CLIENT : { ...CLIENT, api_key: key };
    await rpc.call("server.connection.identify", identity, signal);
    await furnish(signal);
    await look(rpc, signal);
  } catch (error) {
    rpc.close("not opened");
    await scope.close();
    throw error;
  }
  isOpen = true;
  tell();
  scope.start("watch", watch);
  const command = async (method: string, params: object, signal: AbortSignal): Promise<void> =>
    void (await rpc.call(method, params, signal));
  return {
    upload: (name, file, signal) => upload(options, makeHttpSend(clock), name, file, signal),
    begin: (filename, signal) => command("printer.print.start", { filename }, signal),
    pause: (signal) => command("printer.print.pause", {}, signal),
    resume: (signal) => command("printer.print.resume", {}, signal),
    cancel: (signal) => command("printer.print.cancel", {}, signal),
    halt: (signal) => command("printer.emergency_stop", {}, signal),
    recover: (signal) =>
      view.isReady() ? Promise.resolve() : command("printer.firmware_restart", {}, signal),
    async outcome(name) {
      const params = { limit: LIMIT.printerFacts.max, order: "desc" };
      return moonrakerOutcome(await rpc.call("server.history.list", params, asked()), name);
    },
    remove: (name, signal) =>
      command("server.files.delete_file", { path: `gcodes/${name}` }, signal),
    async close() {
      rpc.close("closed");
      await scope.close();
    },
  };
}

async function upload(
  { base, key }: MoonrakerOptions,
  send: HttpSend,
  name: string,
  file: PrintFile,
  signal: AbortSignal,
): Promise<void> {
  const fields = { root: "gcodes", checksum: file.sha256, print: "false" };
  const { headers, body } = multipart(`gantry-${file.sha256}`, fields, name, file);
  const reply = await send(
    {
      method: "POST",
      url: new URL("/server/files/upload", base),
      headers: key === undefined ? headers : { ...headers, "x-api-key": key },
      body,
    },
    signal,
  );
  assertGood(reply, "the upload");
  if (!isUploaded(reply.body, name)) {
    throw new GantryError("bad_frame", "The printer does not confirm the upload");
  }
}

async function ask(rpc: JsonRpc, method: string, params: object, signal: AbortSignal) {
  const result = await rpc.call(method, params, signal);
  if (isFacts(result)) return result;
  throw new GantryError("bad_frame", `The printer's answer to ${method} is no object`);
}

function noneIfNo(error: unknown): Facts {
  if (error instanceof GantryError && error.details["isRefused"] === true) return {};
  throw error;
}

const whyOf = (error: unknown): string =>
  error instanceof GantryError ? error.message : "a fault in the driver";
