// The exam of the PeerLink port over ZeroMQ on loopback.

import { vi } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { curveKeyPair } from "zeromq";
import { openPeerLink } from "../../hub/adapters/peer-link.ts";
import type { Message } from "../../hub/consensus/types.ts";
import { type ExaminedWorld, examinePeerLink } from "../support/peer-link-exam.ts";

const WAIT = { timeout: 20_000, interval: 2 };

async function withZeroMq(use: (world: ExaminedWorld) => Promise<void>): Promise<void> {
  const closes: (() => Promise<void>)[] = [];
  const world: ExaminedWorld = {
    async open(id, files = new Map()) {
      const keys = curveKeyPair();
      const told: string[] = [];
      const received: Message[] = [];
      const posted: [string, unknown][] = [];
      const link = await openPeerLink({
        bind: "tcp://127.0.0.1:0",
        hubId: id,
        clusterId: 77n,
        keys,
        clock: systemClock,
        log: silentLogger,
        signal: new AbortController().signal,
        handler: {
          received: (messages) => void received.push(...messages),
          posted: (from, body) => void posted.push([from, body]),
          connected: (hub) => void told.push(`connected ${hub}`),
          lost: (hub) => void told.push(`lost ${hub}`),
          async piece(what, offset, sizeBytes) {
            const file = what.kind === "blob" ? files.get(what.sha256) : undefined;
            if (file === undefined) return undefined;
            return { bytes: file.subarray(offset, offset + sizeBytes), totalBytes: file.length };
          },
        },
      });
      closes.push(() => link.close());
      const peer = { id, address: link.endpoint, publicKey: keys.publicKey };
      return { link, peer, told, received, posted };
    },
    until: (check) => vi.waitFor(check, WAIT),
  };
  try {
    await use(world);
  } finally {
    await Promise.all(closes.map((close) => close()));
  }
}

examinePeerLink("ZeroMQ", withZeroMq);
