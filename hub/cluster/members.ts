// Who the other hubs are and where: kept in the cluster file, told by the leader to all, and handed
// to the links, which let nobody else in.
//
// MB1. A hub is linked while the membership in force names it, or while this hub knows no membership
//      that has it: a hub that joins must be reachable before it is a member.
// MB2. The file is on the disk before a new hub is linked: after a crash the same hubs are let in.

import type { Logger } from "@gantry/shared/flow/logger.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { z } from "zod";
import type { HubId, Membership } from "../consensus/types.ts";
import type { Peer, PeerLink } from "../ports.ts";
import type { ClusterFile } from "./bootstrap.ts";

/** Kind of the message by which a leader tells the others who is who. */
export const MEMBERS = "members";

const toldSchema = z.object({
  peers: z.array(z.object({ id: z.string(), address: z.string(), publicKey: z.string() })),
  witnesses: z.array(z.string()),
});
export type Told = z.infer<typeof toldSchema>;

export interface MembersParts {
  readonly file: ClusterFile;
  readonly save: (file: ClusterFile) => Promise<void>;
  readonly link: () => Promise<Pick<PeerLink, "use">>;
  readonly log: Logger;
}

export interface Members {
  /** Other hubs that the membership in force names. */
  others(): readonly HubId[];
  /** Of those, the ones that hold state. */
  stateful(): readonly HubId[];
  isWitness(hub: HubId): boolean;
  readonly witnesses: ReadonlySet<HubId>;
  peer(hub: HubId): Peer | undefined;
  membershipChanged(membership: Membership): void;
  /** Takes a hub into the file and links it (MB2). */
  add(peer: Peer, isWitness: boolean): Promise<void>;
  /** What a leader tells. */
  told(): Told;
  /** What a leader told. Nonsense is ignored and logged. */
  take(body: unknown): Promise<void>;
  /** Links every hub that is known. */
  start(): Promise<void>;
}

export function makeMembers(parts: MembersParts): Members {
  const { log } = parts;
  let { file } = parts;
  const self = file.hub;
  const witnesses = new Set(file.witnesses);
  let membership: Membership | undefined;
  let tail = Promise.resolve();

  const named = (): ReadonlySet<HubId> | undefined => {
    if (membership === undefined) return undefined;
    const { voters, outgoing, learners, learnersNext } = membership;
    const all = new Set([...voters, ...outgoing, ...learners, ...learnersNext]);
    return all.has(self) ? all : undefined;
  };

  const linked = (): readonly Peer[] => {
    const all = named();
    return file.peers.filter(
      ({ id, address }) =>
        id !== self && address !== "" && (all === undefined || all.has(id) || pending.has(id)),
    );
  };
  /** Added by us, and not yet in the membership. */
  const pending = new Set<HubId>();

  async function relink(): Promise<void> {
    const peers = linked();
    if (peers.length > 0 || isLinked) {
      isLinked = true;
      (await parts.link()).use(peers);
    }
  }
  let isLinked = false;

  async function keep(next: ClusterFile): Promise<void> {
    if (JSON.stringify(next) === JSON.stringify(file)) return;
    await parts.save(next);
    file = next;
    for (const hub of next.witnesses) witnesses.add(hub);
  }

  function inOrder(work: () => Promise<void>): Promise<void> {
    const done = tail.then(work);
    tail = done.catch((error: unknown) =>
      log.error(
        { error: toErrorRecord(error), text: String(error) },
        "the cluster file could not be kept",
      ),
    );
    return done;
  }

  return {
    witnesses,
    others: () => [...(named() ?? [])].filter((hub) => hub !== self),
    stateful: () => [...(named() ?? [])].filter((hub) => hub !== self && !witnesses.has(hub)),
    isWitness: (hub) => witnesses.has(hub),
    peer: (hub) => file.peers.find(({ id }) => id === hub),
    membershipChanged(next) {
      membership = next;
      for (const hub of named() ?? []) pending.delete(hub);
      inOrder(relink).catch(() => {}); // logged
    },
    add: (peer, isWitness) =>
      inOrder(async () => {
        const peers = [...file.peers.filter(({ id }) => id !== peer.id), peer];
        await keep({
          ...file,
          peers,
          witnesses: isWitness ? [...new Set([...file.witnesses, peer.id])] : file.witnesses,
        }); // MB2
        pending.add(peer.id);
        await relink();
      }),
    told: () => ({ peers: [...file.peers], witnesses: [...witnesses] }),
    async take(body) {
      const told = toldSchema.safeParse(body);
      if (!told.success) return log.warn({}, "what the leader told of the hubs is not understood");
      await inOrder(async () => {
        const own = file.peers.find(({ id }) => id === self);
        const peers = told.data.peers.map((peer) =>
          peer.id === self && own !== undefined ? { ...peer, publicKey: own.publicKey } : peer,
        );
        const unheard = file.peers.filter(({ id }) => !peers.some((peer) => peer.id === id));
        await keep({ ...file, peers: [...peers, ...unheard], witnesses: told.data.witnesses });
        await relink();
      });
      return undefined;
    },
    start: () => inOrder(relink),
  };
}
