// Who the other hubs are and where: kept in the cluster file, told by the leader to all, and handed
// to the links, which let nobody else in.
//
// MB1. A hub is linked while the membership in force names it, or while this hub knows no membership
//      that has it: a hub that joins must be reachable before it is a member.
// MB2. The file is on the disk before a new hub is linked: after a crash the same hubs are let in.
// MB3. A removed hub stays linked until it has heard that it was removed, and nothing it says about
//      the log is listened to. Only being told makes a hub count itself as removed: an old log that
//      is read again may name and drop an id that has come back since.

import type { Logger } from "@gantry/shared/flow/logger.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { z } from "zod";
import type { HubId, Membership } from "../consensus/types.ts";
import type { Peer, PeerLink } from "../ports.ts";
import type { ClusterFile, FormerHub } from "./bootstrap.ts";

/** Kind of the message by which a leader tells the others who is who. */
export const MEMBERS = "members";
/** Kind of the call by which a hub hears that it was removed. */
export const LEFT = "left";
/** Removed hubs that are remembered; the oldest is forgotten first. */
const FORMER_MAX = 8;

const peerSchema = z.object({ id: z.string(), address: z.string(), publicKey: z.string() });
const toldSchema = z.object({
  peers: z.array(peerSchema),
  witnesses: z.array(z.string()),
  former: z.array(peerSchema.extend({ isTold: z.boolean() })).default([]),
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
  /** Undoes `add` of a hub that did not become a member. */
  forget(hub: HubId): Promise<void>;
  /** What a leader tells. */
  told(): Told;
  /** What a leader told. Nonsense is ignored and logged. */
  take(body: unknown): Promise<void>;
  /** Links every hub that is known. */
  start(): Promise<void>;
  /** Resolves when what the changes so far ask for is on the disk. */
  settled(): Promise<void>;
  /** Removed from the cluster; MB3. */
  isFormer(hub: HubId): boolean;
  untold(): readonly HubId[];
  heardLeft(hub: HubId): Promise<void>;
  /** This hub hears that it was removed. */
  leave(): Promise<void>;
  /** After `leave`: ends all links. */
  unlink(): Promise<void>;
  readonly isRemoved: boolean;
}

export function makeMembers(parts: MembersParts): Members {
  const { log } = parts;
  let { file } = parts;
  const self = file.hub;
  const witnesses = new Set(file.witnesses);
  let membership: Membership | undefined;
  let tail = Promise.resolve();
  let isLinked = false;
  let isAlone = file.isRemoved === true;
  /** Added by us, and not yet in the membership. */
  const pending = new Set<HubId>();

  const named = (): ReadonlySet<HubId> | undefined => {
    if (membership === undefined) return undefined;
    const { voters, outgoing, learners, learnersNext } = membership;
    const all = new Set([...voters, ...outgoing, ...learners, ...learnersNext]);
    return all.has(self) ? all : undefined;
  };

  const former = (): readonly FormerHub[] => file.former ?? [];

  const linked = (): readonly Peer[] => {
    if (isAlone) return [];
    const all = named();
    const members = file.peers.filter(
      ({ id }) => all === undefined || all.has(id) || pending.has(id),
    );
    const leaving = former().filter(({ isTold }) => !isTold); // MB3
    return [...members, ...leaving].filter(({ id, address }) => id !== self && address !== "");
  };

  async function relink(): Promise<void> {
    const peers = linked();
    if (peers.length > 0 || isLinked) {
      isLinked = true;
      (await parts.link()).use(
        peers.map(({ id, address, publicKey }) => ({ id, address, publicKey })),
      );
    }
  }

  async function keep(next: ClusterFile): Promise<void> {
    if (JSON.stringify(next) !== JSON.stringify(file)) await parts.save(next);
    file = next;
    for (const hub of witnesses) if (!next.witnesses.includes(hub)) witnesses.delete(hub);
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

  const withFormer = (hubs: readonly FormerHub[]): ClusterFile => ({
    ...file,
    peers: file.peers.filter(({ id }) => !hubs.some((hub) => hub.id === id)),
    former: hubs.slice(-FORMER_MAX),
  });

  async function part(gone: readonly HubId[]): Promise<void> {
    const peers = file.peers.filter(({ id }) => gone.includes(id));
    if (peers.length === 0) return;
    await keep(withFormer([...former(), ...peers.map((peer) => ({ ...peer, isTold: false }))]));
  }

  /** A message that was on its way may be older than what this hub knows; who is back has new keys. */
  function mergedFormer({ peers, former: told }: Told): FormerHub[] {
    const own = former().filter((hub) => {
      const isBack = peers.some(
        ({ id, publicKey }) => id === hub.id && publicKey !== hub.publicKey,
      );
      return !isBack && !told.some(({ id }) => id === hub.id);
    });
    return [...own, ...told].filter(({ id }) => id !== self).slice(-FORMER_MAX);
  }

  return {
    witnesses,
    others: () => [...(named() ?? [])].filter((hub) => hub !== self),
    stateful: () => [...(named() ?? [])].filter((hub) => hub !== self && !witnesses.has(hub)),
    isWitness: (hub) => witnesses.has(hub),
    peer: (hub) => file.peers.find(({ id }) => id === hub),
    membershipChanged(next) {
      const before = named();
      membership = next;
      const after = named();
      for (const hub of after ?? []) pending.delete(hub);
      const gone =
        before === undefined || after === undefined
          ? []
          : [...before].filter((hub) => !after.has(hub));
      inOrder(async () => {
        await part(gone);
        await relink();
      }).catch(() => {}); // logged
    },
    add: (peer, isWitness) =>
      inOrder(async () => {
        const others = file.witnesses.filter((id) => id !== peer.id);
        await keep({
          ...file,
          peers: [...file.peers.filter(({ id }) => id !== peer.id), peer],
          witnesses: isWitness ? [...others, peer.id] : others,
          former: former().filter(({ id }) => id !== peer.id),
        }); // MB2
        pending.add(peer.id);
        await relink();
      }),
    forget: (hub) =>
      inOrder(async () => {
        pending.delete(hub);
        if (named()?.has(hub) === true) return;
        await keep({
          ...file,
          peers: file.peers.filter(({ id }) => id !== hub),
          witnesses: file.witnesses.filter((id) => id !== hub),
        });
        await relink();
      }),
    told: () => ({ peers: [...file.peers], witnesses: [...witnesses], former: [...former()] }),
    async take(body) {
      const told = toldSchema.safeParse(body);
      if (!told.success) return log.warn({}, "what the leader told of the hubs is not understood");
      await inOrder(async () => {
        const known = new Map(file.peers.map((peer) => [peer.id, peer]));
        const gone = mergedFormer(told.data);
        const isGone = (hub: HubId): boolean => gone.some(({ id }) => id === hub);
        const peers = told.data.peers.map((peer) => {
          const own = known.get(peer.id);
          // A hub bound to every address does not know its own: what we know is better than nothing.
          const address = peer.address === "" ? (own?.address ?? "") : peer.address;
          const publicKey = peer.id === self && own !== undefined ? own.publicKey : peer.publicKey;
          return { ...peer, address, publicKey };
        });
        const unheard = file.peers.filter(
          ({ id }) => !peers.some((peer) => peer.id === id) && (id === self || !isGone(id)),
        );
        await keep({
          ...file,
          peers: [...peers.filter(({ id }) => !isGone(id)), ...unheard],
          witnesses: told.data.witnesses,
          former: gone,
        });
        await relink();
      });
      return undefined;
    },
    start: () => inOrder(relink),
    settled: () => tail,
    isFormer: (hub) => former().some(({ id }) => id === hub),
    untold: () => former().flatMap(({ id, isTold }) => (isTold ? [] : [id])),
    heardLeft: (hub) =>
      inOrder(async () => {
        await keep(
          withFormer(former().map((each) => (each.id === hub ? { ...each, isTold: true } : each))),
        );
        await relink();
      }),
    leave: () => inOrder(() => keep({ ...file, isRemoved: true })),
    unlink: () =>
      inOrder(async () => {
        isAlone = true;
        await relink();
      }),
    get isRemoved() {
      return file.isRemoved === true;
    },
  };
}
