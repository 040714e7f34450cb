// Commands that come over MQTT: payload to one call of the desk.
//
// O1. A command is done with the rights of its sender and of nobody else: who the broker says it is,
//     or the owner of the `token` in the payload where the broker does not know.
// O2. QoS 1 delivers at least once. A command that must not happen twice needs an `id` (the same id
//     gets the same answer for ever) or names its `job`; only `stop` is safe without.
// O3. Nothing is confirmed over MQTT: work that needs a person's word waits for it at another door.

import { z } from "zod";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Actor, mayAct } from "@gantry/shared/contract/roles.ts";
import { type RouteName, ROUTES } from "@gantry/shared/contract/routes.ts";
import { JOB_CLASSES } from "@gantry/shared/contract/rows.ts";
import { idSchema } from "@gantry/shared/contract/schemas/common.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Desk } from "../ports.ts";
import type { Received } from "./broker.ts";
import type { CommandTopic } from "./permissions.ts";

export const ORDER_BYTES_MAX = 16_384;

const common = {
  /** The sender's own id of this command. */
  id: z.string().min(1).max(120).optional(),
  token: z.string().max(200).optional(),
};

const deviceOrderSchema = z.strictObject({
  ...common,
  command: z.enum(["pause", "resume", "cancel", "stop", "bed-cleared"]),
  /** The print job meant; default: the one on the device. */
  job: idSchema.optional(),
});
type DeviceOrder = z.infer<typeof deviceOrderSchema>;

const autonomyOrderSchema = z.strictObject({
  ...common,
  id: z.string().min(1).max(120),
  /** Name of an allow-listed command; see /api/registry. */
  command: z.string().min(1).max(120),
  args: z.record(z.string(), z.unknown()).default({}),
  class: z.enum(JOB_CLASSES).default("normal"),
});

export interface OrderContext {
  readonly desk: Desk;
  readonly clock: Clock;
  readonly mintRequestId: () => string;
  readonly signal: AbortSignal;
}

interface DeskCall {
  readonly route: RouteName;
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Does what the message says. Throws GantryError; after a return the effect is on record. */
export async function performOrder(
  target: CommandTopic,
  message: Received,
  context: OrderContext,
): Promise<void> {
  const payload = parsePayload(message.payload);
  const order =
    target.kind === "device"
      ? { ...target, ...parse(deviceOrderSchema, payload) }
      : { ...target, ...parse(autonomyOrderSchema, payload) };
  const actor = await senderOf(message, order.token, context);
  const call =
    order.kind === "device"
      ? await deviceCall(order.device, order, actor, context)
      : {
          route: "jobAdded" as const,
          params: {},
          body: { kind: "command", command: order.command, args: order.args, class: order.class },
        };
  await ask(call, actor, order.id, sha256(message.payload), context);
}

/** O1. */
async function senderOf(
  message: Received,
  token: string | undefined,
  { desk }: OrderContext,
): Promise<Actor> {
  if (message.actor !== undefined) return message.actor;
  const actor = token === undefined ? undefined : await desk.authenticate(sha256(token));
  if (actor === undefined) {
    throw new GantryError("unauthenticated", "The command carries no valid `token`");
  }
  return actor;
}

async function deviceCall(
  device: string,
  order: DeviceOrder,
  actor: Actor,
  context: OrderContext,
): Promise<DeskCall> {
  const { command, job, id } = order;
  if (command === "stop") return { route: "stop", params: {}, body: { printer: device } };
  if (id === undefined && job === undefined) {
    throw new GantryError("bad_request", `${command} needs an \`id\` or names its \`job\``); // O2
  }
  if (command === "bed-cleared") {
    const body = job === undefined ? {} : { job };
    return { route: "bedCleared", params: { id: device }, body };
  }
  const route = (
    { pause: "printPaused", resume: "printResumed", cancel: "printCancelled" } as const
  )[command];
  return { route, params: { id: job ?? (await jobOn(device, actor, context)) }, body: undefined };
}

const deviceSchema = z.object({ job: z.string().optional() });

async function jobOn(device: string, actor: Actor, context: OrderContext): Promise<string> {
  const call = { route: "device" as const, params: { id: device }, body: undefined };
  const { job } = parse(deviceSchema, await ask(call, actor, undefined, "", context));
  if (job === undefined) throw new GantryError("conflict", `Nothing is printing on ${device}`);
  return job;
}

async function ask(
  { route, params, body }: DeskCall,
  actor: Actor,
  id: string | undefined,
  requestSha256: string,
  { desk, clock, mintRequestId, signal }: OrderContext,
): Promise<unknown> {
  const { access } = ROUTES[route];
  if (access !== "public" && !mayAct(actor.role, access)) {
    throw new GantryError("forbidden", `This needs the role ${access}; you have ${actor.role}`);
  }
  const replay =
    id === undefined
      ? {}
      : { replay: { key: `mqtt:${actor.token}:${route}:${id}`, requestSha256 } };
  const request = { actor, requestId: mintRequestId(), params, query: {}, body, ...replay };
  return desk.call(route, request, { signal: clock.timeout(TIMEOUT.proposeMs, signal) });
}

function parsePayload(bytes: Uint8Array): unknown {
  if (bytes.length > ORDER_BYTES_MAX) {
    throw new GantryError("too_large", `A command has at most ${ORDER_BYTES_MAX} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new GantryError("bad_json", "The command is not JSON", { cause });
  }
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  throw new GantryError("bad_request", `${where}: ${issue?.message ?? "not valid"}`);
}
