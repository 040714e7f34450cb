// Machines: enrolment by a one-time code, registration at each start, health, and their printers.
//
// N1. A join code is used once; its fifth wrong secret burns it.
// N2. A device belongs to the node that first named it, until that node is removed.
// N3. A node that was removed never comes back; its machine enrols anew, under another id.
// N5. A judgement of a node counts only if the node has not registered again since, and in the reign
//     in which it was made (cluster.ts G2).
// N6. What a node holds by lock ends when it is down (locks.ts X4); its printers are then offline. A
//     suspect node keeps both, and is given nothing new.
// N4. Only facts that change rarely are here; temperatures, progress and load are soft state.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type {
  Capabilities,
  DeviceRow,
  JoinCodeRow,
  NodeRow,
} from "@gantry/shared/contract/rows.ts";
import { checkNew, type Context, inOrder, rowOf } from "../context.ts";
import { checkReign } from "./cluster.ts";
import { releaseLocksOf } from "./locks.ts";
import { afterLoss, isHeld } from "./node-flaps.ts";
import { losePrintsOf } from "./prints.ts";

const WRONG_TRIES_MAX = 5;
const EMPTY: Capabilities = { models: [], commands: [], printers: [] };

export function joinCodeMade(context: Context, command: CommandOf<"joinCodeMade">): unknown {
  const { code: id, name, secretSha256, expiresAtMs, actor } = command;
  checkNew(context, "joinCode", id, "join code");
  const row: JoinCodeRow = { id, name, secretSha256, createdBy: actor, expiresAtMs, wrongTries: 0 };
  context.rows.put("joinCode", id, row);
  context.audit("joinCode.made", id, { name });
  return { id };
}

/** Answers {node}, or {denied} after a wrong secret, which is a fact worth keeping (N1). */
export function nodeEnrolled(context: Context, command: CommandOf<"nodeEnrolled">): unknown {
  const { rows } = context;
  const code = openCode(context, command);
  if (typeof code === "string") return { node: code };
  if (code.secretSha256 !== command.codeSecretSha256) {
    rows.put("joinCode", code.id, { ...code, wrongTries: code.wrongTries + 1 });
    context.audit("joinCode.wrong", code.id);
    return { denied: "join_code_invalid" };
  }
  const { node: id, name, publicKey, secretSha256, atMs } = command;
  checkNew(context, "node", id, "node");
  rows.put("joinCode", code.id, { ...code, usedByNode: id });
  rows.put("node", id, {
    id,
    name,
    publicKey,
    secretSha256,
    bootId: "",
    state: "down",
    labels: {},
    capabilities: EMPTY,
    capabilitiesDigest: "",
    enrolledAtMs: atMs,
    changedAtMs: atMs,
  });
  context.audit("node.enrolled", id, { name, code: code.id });
  context.emit("node.enrolled", id, { name });
  return { node: id };
}

/** The code, if it may be used; the node's id when this very node used it and lost the answer. */
function openCode(context: Context, command: CommandOf<"nodeEnrolled">): JoinCodeRow | string {
  const { rows } = context;
  const code = rows.get("joinCode", command.code);
  if (code === undefined || code.wrongTries >= WRONG_TRIES_MAX) {
    throw new GantryError("join_code_invalid", "This join code is not known here");
  }
  if (code.usedByNode !== undefined) {
    const node = rows.get("node", code.usedByNode);
    const isSame =
      node?.publicKey === command.publicKey && node.secretSha256 === command.secretSha256;
    if (node !== undefined && isSame) return node.id;
    throw new GantryError("join_code_used", "This join code was used already");
  }
  if (code.expiresAtMs <= context.nowMs) {
    throw new GantryError("gone", "This join code has expired; make a new one");
  }
  return code;
}

export function nodeRegistered(context: Context, command: CommandOf<"nodeRegistered">): unknown {
  const row = rowOf(context, "node", command.node, "node");
  checkKept(row);
  const { bootId, labels, capabilities, capabilitiesDigest, atMs } = command;
  const state = isHeld(row, context.nowMs) ? "suspect" : "alive"; // node-flaps.ts F2
  const isNew = row.bootId !== bootId || row.state !== state;
  if (row.bootId !== bootId) releaseLocksOf(context, "node", row.id); // who held them is no more
  context.rows.put("node", row.id, {
    ...row,
    bootId,
    registeredAt: context.position,
    labels,
    capabilities: { ...capabilities, printers: capabilities.printers.map(stableFacts) },
    capabilitiesDigest,
    state,
    changedAtMs: atMs,
  });
  if (isNew) context.audit("node.registered", row.id, { name: row.name, bootId });
  context.emit("node.registered", row.id, { name: row.name, bootId, state });
  takePrinters(context, row.id, capabilities.printers, true);
  return { node: row.id };
}

export function nodeStateChanged(
  context: Context,
  command: CommandOf<"nodeStateChanged">,
): unknown {
  const row = rowOf(context, "node", command.node, "node");
  if (row.bootId !== command.bootId && command.state !== "removed") {
    throw new GantryError("superseded", `${row.name} has started again since`);
  }
  checkReign(context, command.term); // N5
  if (command.registeredAt !== undefined && command.registeredAt !== (row.registeredAt ?? 0)) {
    throw new GantryError("superseded", `${row.name} has registered again since`);
  }
  if (row.state === command.state) return { node: row.id };
  checkKept(row);
  const { state, why, beatSeq, atMs } = command;
  if (state === "alive" && isHeld(row, context.nowMs)) {
    throw new GantryError("conflict", `${row.name} was lost too often; it is held in suspect`);
  }
  const isLoss = row.state === "alive" && why === "silent";
  const flaps = isLoss ? afterLoss(row, context.nowMs) : {};
  context.rows.put("node", row.id, { ...row, ...flaps, state, changedAtMs: atMs });
  const seen = {
    ...(why === undefined ? {} : { why }),
    ...(beatSeq === undefined ? {} : { beatSeq }),
  };
  context.audit("node.state", row.id, { name: row.name, from: row.state, to: state, ...seen });
  context.emit("node.state", row.id, { name: row.name, state });
  if (state === "down" || state === "removed") {
    setOffline(context, row.id);
    releaseLocksOf(context, "node", row.id); // N6
  }
  if (command.state === "removed") losePrintsOf(context, row.id);
  return { node: row.id };
}

export function printersChanged(context: Context, command: CommandOf<"printersChanged">): unknown {
  const row = rowOf(context, "node", command.node, "node");
  checkKept(row);
  takePrinters(context, row.id, command.printers, false);
  return { node: row.id };
}

/** N3. */
function checkKept({ state, name }: NodeRow): void {
  if (state === "removed") throw new GantryError("forbidden", `${name} was removed`);
}

/** `isWhole`: printers of this node that are not listed are gone, and shown as offline. */
function takePrinters(
  context: Context,
  node: string,
  printers: readonly Printer[],
  isWhole: boolean,
): void {
  const { rows, command } = context;
  for (const printer of printers) {
    const before = rows.get("device", printer.id);
    if (before !== undefined && before.node !== node && isOwned(context, before)) continue; // N2
    const after: DeviceRow = {
      id: printer.id,
      node,
      kind: "printer",
      printer: stableFacts(printer),
      isOnline: printer.phase !== "offline",
      bed: before?.bed ?? "clear",
      ...(before?.bedJob === undefined ? {} : { bedJob: before.bedJob }),
      token: before?.token ?? 0,
      changedAtMs: command.atMs,
    };
    if (before !== undefined && isSameDevice(before, after)) continue;
    rows.put("device", printer.id, after);
    context.emit("device.changed", printer.id, after);
  }
  if (!isWhole) return;
  const listed = new Set(printers.map(({ id }) => id));
  setOffline(context, node, listed);
}

const isOwned = ({ rows }: Context, device: DeviceRow): boolean =>
  rows.get("node", device.node)?.state !== "removed";

const isSameDevice = (before: DeviceRow, after: DeviceRow): boolean =>
  JSON.stringify({ ...before, changedAtMs: 0 }) === JSON.stringify({ ...after, changedAtMs: 0 });

function setOffline(context: Context, node: string, except?: ReadonlySet<string>): void {
  const { rows, command } = context;
  for (const device of inOrder(context, "device")) {
    if (device.node !== node || !device.isOnline || except?.has(device.id) === true) continue;
    const after = { ...device, isOnline: false, changedAtMs: command.atMs };
    rows.put("device", device.id, after);
    context.emit("device.changed", device.id, after);
  }
}

/** N4. */
function stableFacts(printer: Printer): Printer {
  const { temperatures: _t, progress: _p, remainingS: _r, ...facts } = printer;
  const { notices: _n, power: _o, materials: _m, ...stable } = facts;
  return stable;
}
