// What nodes say, and what becomes of it: facts are proposed, live values go to soft state, answers
// go to the calls that wait for them. This is the hub's side of the agent link.
//
// I1. A report is acknowledged (`recorded`) only after it is in the log, or when the log refuses it
//     for good: the node repeats it until then.
// I2. Reports of one node are handled in the order in which they came.

import { timingSafeEqual } from "node:crypto";
import { sha256 } from "@gantry/shared/base/digest.ts";
import {
  type ErrorRecord,
  fromErrorRecord,
  GantryError,
  isErrorCode,
  toErrorRecord,
} from "@gantry/shared/base/errors.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { Capabilities } from "@gantry/shared/contract/rows.ts";
import type { Targets } from "@gantry/shared/flow/targets.ts";
import { act, type By, byHub, type Hub, newId, propose } from "../hub.ts";
import type { AgentLink, AgentLinkHandler, BlobStore } from "../ports.ts";
import { beatAnswer } from "../registry/health.ts";
import type { Calls } from "./calls.ts";
import type { Duties } from "./duties.ts";
import type { Makes } from "./makes.ts";
import type { ModelRuntimes } from "./model-runtimes.ts";

const PIECE_BYTES = 262_144;

export interface InboxParts {
  readonly hub: Hub;
  readonly calls: Calls;
  readonly duties: Duties;
  readonly targets: Pick<Targets, "returned">;
  readonly blobs: BlobStore;
  readonly link: () => AgentLink;
  readonly makes: Makes;
  readonly runtimes: Pick<ModelRuntimes, "report" | "forget">;
  readonly signal: AbortSignal;
}

type MessageOf<T extends NodeMessage["type"]> = Extract<NodeMessage, { type: T }>;

export function makeInbox(parts: InboxParts): AgentLinkHandler {
  const { hub, calls, duties, targets, blobs, link, makes, runtimes, signal } = parts;
  const queues = new Map<string, Promise<void>>(); // I2: the tail of each node's work

  const asNode = (node: string): By => ({ actor: `node:${node}`, requestId: newId(hub, "req") });
  const say = (node: string, message: HubMessage): void => void link().send(node, [message]);

  function inOrder(node: string, work: () => Promise<void>): void {
    const tail = (queues.get(node) ?? Promise.resolve()).then(work).catch((error: unknown) => {
      if (!signal.aborted)
        hub.log.warn({ node, error: toErrorRecord(error) }, "a node's report was not recorded");
    });
    queues.set(node, tail);
  }

  async function register(
    node: string,
    bootId: string,
    labels: Readonly<Record<string, string>>,
    capabilities: Capabilities,
  ): Promise<void> {
    const body = {
      type: "nodeRegistered" as const,
      node,
      bootId,
      labels,
      capabilities,
      capabilitiesDigest: capabilitiesDigest(capabilities),
    };
    await act(hub, body, asNode(node), signal);
    hub.soft.report(capabilities.printers);
  }

  async function recordResult(
    node: string,
    { job, token, result, error }: MessageOf<"result">,
  ): Promise<void> {
    await duties.jobEnded(
      job,
      token,
      error === undefined ? { result: result ?? null } : { error: asRecord(error) },
      asNode(node),
    );
    makes.ended(job);
    say(node, { type: "recorded", job, token });
  }

  async function recordPrint(node: string, message: MessageOf<"printJob">): Promise<void> {
    const { job, token, phase, progress, startedCount, error } = message;
    const body = {
      type: "printReported" as const,
      job,
      token,
      phase,
      progress,
      startedCount,
      ...(error === undefined ? {} : { error: asRecord(error) }),
    };
    const reply = await propose(hub, body, asNode(node), signal);
    if (!reply.ok)
      hub.log.warn({ node, job, phase, code: reply.error.code }, "a print report was refused");
    say(node, { type: "recorded", job, token, phase }); // I1: a refusal is final too
  }

  /** Stable facts that changed are logged; the rest is soft. */
  async function takePrinters(node: string, printers: readonly Printer[]): Promise<void> {
    hub.soft.report(printers);
    const changed = printers.filter((printer) => hasChanged(hub, printer));
    if (changed.length === 0) return;
    await act(hub, { type: "printersChanged", node, printers: changed }, asNode(node), signal);
  }

  async function sendPiece(
    node: string,
    { sha256: hash, offset }: MessageOf<"fetch">,
  ): Promise<void> {
    try {
      const bytes = await blobs.read(hash, offset, PIECE_BYTES);
      const isLast = bytes.length < PIECE_BYTES;
      say(node, {
        type: "piece",
        sha256: hash,
        offset,
        bytes: Buffer.from(bytes).toString("base64"),
        isLast,
      });
    } catch (error) {
      say(node, {
        type: "piece",
        sha256: hash,
        offset,
        bytes: "",
        isLast: true,
        error: toErrorRecord(error),
      });
    }
  }

  function receive(node: string, message: NodeMessage): void {
    switch (message.type) {
      case "chunk":
        return calls.piece(node, message.id, message.text, message.seq);
      case "generated":
        return calls.answer(node, message.id, message.result);
      case "embedded":
        return calls.answer(node, message.id, {
          tag: message.tag,
          vectors: message.vectors,
          tokens: message.tokens,
        });
      case "stopped":
        return calls.answer(
          node,
          message.id,
          message.error === undefined ? message.printers : fromErrorRecord(asRecord(message.error)),
        );
      case "workshopSaid":
        return calls.answer(node, message.id, message.said);
      case "failed":
        return calls.answer(node, message.id, fromErrorRecord(asRecord(message.error)));
      case "capabilities": {
        const row = hub.rows.get("node", node);
        return row === undefined
          ? undefined
          : inOrder(node, () => register(node, row.bootId, row.labels, message.capabilities));
      }
      case "result":
        return inOrder(node, () => recordResult(node, message));
      case "printers":
        return inOrder(node, () => takePrinters(node, message.printers));
      case "printJob":
        return inOrder(node, () => recordPrint(node, message));
      case "printRefused":
        return inOrder(node, async () => {
          const { job, token } = message;
          await propose(
            hub,
            { type: "printRefused", job, token, error: asRecord(message.error) },
            asNode(node),
            signal,
          );
          duties.refused(job);
        });
      case "fetch":
        void sendPiece(node, message);
        return undefined;
      case "modelPieceRead":
        return calls.answer(node, message.id, {
          bytes: message.bytes,
          sizeBytes: message.sizeBytes,
        });
      case "runtime":
        return runtimes.report(node, message.runtime);
      case "makeStep":
        return makes.stepped(node, message);
      case "keep":
        return makes.keep(node, message);
      case "enrol":
      case "hello":
      case "beat":
      case "bye":
        return undefined; // the link's own
    }
  }

  return {
    allows(publicKey) {
      for (const node of hub.rows.hot("node").values()) {
        if (node.publicKey === publicKey) return node.state !== "removed";
      }
      const nowMs = hub.stampMs();
      return [...hub.rows.hot("joinCode").values()].some(
        (code) => code.expiresAtMs > nowMs && code.usedByNode === undefined,
      );
    },
    async enrol({ code, name, publicKey, secret }) {
      try {
        const codeSecretSha256 = sha256(code);
        const found = [...hub.rows.hot("joinCode").values()].find(
          (row) => row.secretSha256 === codeSecretSha256,
        );
        if (found === undefined)
          throw new GantryError("join_code_invalid", "This join code is not known here");
        const body = {
          type: "nodeEnrolled" as const,
          code: found.id,
          codeSecretSha256,
          node: newId(hub, "node"),
          name,
          publicKey,
          secretSha256: sha256(secret),
        };
        const value = (await act(hub, body, byHub(hub), signal)) as { node: string }; // domains/nodes.ts
        return { type: "enrolled", node: value.node };
      } catch (error) {
        return { type: "denied", error: toErrorRecord(error) };
      }
    },
    async hello({ node, secret, bootId, labels, capabilities, holds }) {
      const row = hub.rows.get("node", node);
      if (row === undefined || row.state === "removed" || !isSecret(secret, row.secretSha256)) {
        return {
          type: "denied",
          error: { code: "forbidden", message: "This node is not enrolled here" },
        };
      }
      try {
        await register(node, bootId, labels, capabilities);
        await duties.adopt(node, bootId, holds);
        return undefined;
      } catch (error) {
        return { type: "denied", error: toErrorRecord(error) };
      }
    },
    joined(node) {
      targets.returned(node);
      duties.wake();
    },
    received(node, messages) {
      for (const message of messages) receive(node, message);
    },
    beat(node, digest) {
      return beatAnswer(hub.rows.get("node", node), digest);
    },
    left(node, why) {
      calls.left(node);
      makes.left(node);
      runtimes.forget(node);
      // Silence is judged by the registry (registry/health.ts), with what it knows of our own stalls.
      if (why === "bye") inOrder(node, () => duties.nodeLeft(node));
    },
  };
}

function hasChanged(hub: Hub, printer: Printer): boolean {
  const device = hub.rows.get("device", printer.id);
  if (device === undefined) return true;
  const before = device.printer;
  return (
    before.phase !== printer.phase ||
    device.isOnline !== (printer.phase !== "offline") ||
    before.fault?.code !== printer.fault?.code ||
    before.firmware !== printer.firmware ||
    before.job !== printer.job
  );
}

const isSecret = (secret: string, secretSha256: string): boolean =>
  timingSafeEqual(Buffer.from(sha256(secret)), Buffer.from(secretSha256));

function asRecord(error: {
  code: string;
  message: string;
  details?: Readonly<Record<string, unknown>> | undefined;
}): ErrorRecord {
  const { code, message, details } = error;
  const known = isErrorCode(code) ? code : "internal";
  return details === undefined ? { code: known, message } : { code: known, message, details };
}
