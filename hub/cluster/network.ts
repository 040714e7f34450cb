// The links to other hubs, opened when there is another hub: a hub that is alone binds no port for
// peers. What comes in goes to the replica, to the calls, or is served from the disk.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { HubId, Message } from "../consensus/types.ts";
import type { Fetched, PeerLink, PeerLinkHandler } from "../ports.ts";

export interface NetworkParts {
  readonly open: (handler: PeerLinkHandler) => Promise<PeerLink>;
  readonly received: (messages: readonly Message[]) => void;
  readonly posted: (from: HubId, body: unknown) => void;
  readonly connected: (hub: HubId) => void;
  readonly lost: (hub: HubId) => void;
  readonly piece: PeerLinkHandler["piece"];
}

export interface Network {
  /** Opens the links if they are not open. Throws port_busy, bad_config. */
  link(): Promise<PeerLink>;
  readonly current: PeerLink | undefined;
  /** For the replica and the calls: before there is a link everything is lost. */
  readonly peers: Pick<PeerLink, "send" | "fetch" | "post">;
  close(): Promise<void>;
}

export function makeNetwork(parts: NetworkParts): Network {
  const { open, received, posted, connected, lost, piece } = parts;
  let opening: Promise<PeerLink> | undefined;
  let current: PeerLink | undefined;

  async function link(): Promise<PeerLink> {
    opening ??= open({ received, posted, connected, lost, piece }).then((opened) => {
      current = opened;
      return opened;
    });
    return opening;
  }

  return {
    link,
    get current() {
      return current;
    },
    peers: {
      send: (messages) => current?.send(messages) ?? [...new Set(messages.map(({ to }) => to))],
      post: (to, body) => current?.post(to, body) ?? "absent",
      fetch(from, what, offset, sizeBytes, signal) {
        if (current !== undefined) return current.fetch(from, what, offset, sizeBytes, signal);
        return Promise.reject(new GantryError("unreachable", `There is no link to ${from} yet`));
      },
    },
    async close() {
      if (opening !== undefined) await (await opening).close();
    },
  };
}

export interface PieceParts {
  readonly snapshot: (
    index: number,
    offset: number,
    sizeBytes: number,
  ) => ReturnType<PeerLinkHandler["piece"]>;
  readonly blob: (
    sha256: string,
    offset: number,
    sizeBytes: number,
  ) => ReturnType<PeerLinkHandler["piece"]>;
}

export const servePieces =
  ({ snapshot, blob }: PieceParts): PeerLinkHandler["piece"] =>
  (what: Fetched, offset, sizeBytes) =>
    what.kind === "snapshot"
      ? snapshot(what.index, offset, sizeBytes)
      : blob(what.sha256, offset, sizeBytes);
