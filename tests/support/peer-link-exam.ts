// The exam of the PeerLink port: what the rooms of the hub may rely on, over any world of links. The
// links over ZeroMQ and simulated ones pass the same (tests/ports/peer-link.test.ts).

import { describe, expect, it } from "vitest";
import type { Message } from "../../hub/consensus/types.ts";
import type { Fetched, Peer, PeerLink } from "../../hub/ports.ts";

/** One hub in the world, and what its link told it. */
export interface ExaminedHub {
  readonly link: PeerLink;
  readonly peer: Peer;
  /** `connected ID` and `lost ID`, in order. */
  readonly told: readonly string[];
  readonly received: readonly Message[];
  readonly posted: readonly (readonly [from: string, body: unknown])[];
}

export interface ExaminedWorld {
  /** A hub that serves `files` by their sha256; it is linked to nobody before `use`. */
  open(id: string, files?: ReadonlyMap<string, Uint8Array>): Promise<ExaminedHub>;
  /** Lets time and frames pass until `check` does not throw; rejects with what it threw last. */
  until(check: () => void): Promise<void>;
}

const NEVER = new AbortController().signal;
const SHA = "ab".repeat(32);
const BLOB: Fetched = { kind: "blob", sha256: SHA };

const beat = (from: string, to: string, read: number): Message => ({
  type: "heartbeat",
  from,
  to,
  term: 3,
  commit: 9,
  read,
});

async function pair(world: ExaminedWorld, files?: ReadonlyMap<string, Uint8Array>) {
  const one = await world.open("hub-1");
  const two = await world.open("hub-2", files);
  one.link.use([two.peer]);
  two.link.use([one.peer]);
  await world.until(() => {
    expect(one.told).toContain("connected hub-2");
    expect(two.told).toContain("connected hub-1");
  });
  return [one, two] as const;
}

/** `withWorld` makes an empty world, passes it on, and leaves nothing of it behind. */
export function examinePeerLink(
  name: string,
  withWorld: (use: (world: ExaminedWorld) => Promise<void>) => Promise<void>,
): void {
  describe(`PeerLink: ${name}`, () => {
    it("brings messages and posts to the right hub, in order, with their sender", () =>
      withWorld(async (world) => {
        const [one, two] = await pair(world);
        const reads = Array.from({ length: 20 }, (_, read) => read);
        for (const read of reads) {
          expect(one.link.send([beat("hub-1", "hub-2", read)])).toEqual([]);
          expect(one.link.post("hub-2", { read })).toBe("sent");
        }
        await world.until(() => expect(two.posted).toHaveLength(20));
        await world.until(() => expect(two.received).toHaveLength(20));
        expect(two.received).toEqual(reads.map((read) => beat("hub-1", "hub-2", read)));
        expect(two.posted).toEqual(reads.map((read) => ["hub-1", { read }]));
        expect(one.received).toEqual([]);
      }));

    it("brings the bytes of entries unchanged", () =>
      withWorld(async (world) => {
        const [one, two] = await pair(world);
        const data = Uint8Array.from({ length: 1_000 }, (_, at) => at & 255);
        const entries = [1, 2].map((index) => ({
          index,
          term: 3,
          kind: "commands" as const,
          data,
        }));
        const [from, to] = ["hub-1", "hub-2"];
        one.link.send([
          { type: "append", from, to, term: 3, prevIndex: 0, prevTerm: 0, commit: 0, entries },
        ]);
        await world.until(() => expect(two.received).toHaveLength(1));
        const [message] = two.received;
        const bytes =
          message?.type === "append" ? message.entries.map((entry) => [...entry.data]) : [];
        expect(bytes).toEqual([[...data], [...data]]);
      }));

    it("names the hubs to which nothing could be sent", () =>
      withWorld(async (world) => {
        const [one] = await pair(world);
        const messages = [beat("hub-1", "hub-2", 1), beat("hub-1", "hub-9", 1)];
        expect(one.link.send(messages)).toEqual(["hub-9"]);
        expect(one.link.post("hub-9", "?")).toBe("absent");
      }));

    it("fetches what the other hub has, piece by piece, and says what it has not", () =>
      withWorld(async (world) => {
        const file = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7) & 255);
        const [one] = await pair(world, new Map([[SHA, file]]));
        // Right after `connected` the way to the bytes may still be unknown: who needs them asks again.
        await world.until(() => expect(one.link.links().get("hub-2")?.framesIn).toBeGreaterThan(0));
        const parts: Uint8Array[] = [];
        for (let at = 0; at < file.length; at += parts.at(-1)?.length ?? 0) {
          const piece = await one.link.fetch("hub-2", BLOB, at, 1_000_000, NEVER);
          expect(piece.totalBytes).toBe(file.length);
          expect(piece.bytes.length).toBeGreaterThan(0);
          parts.push(piece.bytes);
        }
        const got = Buffer.concat(parts);
        expect(got.equals(file)).toBe(true);
        const other: Fetched = { kind: "snapshot", index: 5 };
        await expect(one.link.fetch("hub-2", other, 0, 10, NEVER)).rejects.toMatchObject({
          code: "not_found",
        });
        await expect(one.link.fetch("hub-9", other, 0, 10, NEVER)).rejects.toMatchObject({
          code: "unreachable",
        });
      }));

    it("says what it knows of each link", () =>
      withWorld(async (world) => {
        const [one, two] = await pair(world);
        two.link.send([beat("hub-2", "hub-1", 1)]);
        await world.until(() => expect(one.received).toHaveLength(1));
        const facts = one.link.links().get("hub-2");
        expect([...one.link.links().keys()]).toEqual(["hub-2"]);
        expect(facts?.isConnected).toBe(true);
        expect(facts?.heardAgoMs).toBeGreaterThanOrEqual(0);
        expect(facts?.framesIn).toBeGreaterThan(0);
      }));

    it("cuts off at once who is no longer used, and takes nothing of it", () =>
      withWorld(async (world) => {
        const [one, two] = await pair(world);
        const three = await world.open("hub-3");
        one.link.use([three.peer]);
        three.link.use([one.peer]);
        expect(one.told.filter((line) => line.endsWith("hub-2"))).toEqual([
          "connected hub-2",
          "lost hub-2",
        ]);
        expect(one.link.send([beat("hub-1", "hub-2", 1)])).toEqual(["hub-2"]);
        await world.until(() => expect(three.told).toContain("connected hub-1"));
        two.link.post("hub-1", "from outside");
        two.link.send([beat("hub-2", "hub-1", 1)]);
        three.link.post("hub-1", "from inside");
        await world.until(() => expect(one.posted).toEqual([["hub-3", "from inside"]]));
        expect(one.received).toEqual([]);
      }));

    it("tells a hub that goes, and nothing after its own close", () =>
      withWorld(async (world) => {
        const [one, two] = await pair(world);
        await two.link.close();
        await world.until(() => expect(one.told.at(-1)).toBe("lost hub-2"));
        expect(one.link.send([beat("hub-1", "hub-2", 1)])).toEqual(["hub-2"]);
        expect(one.link.post("hub-2", "?")).toBe("absent");
        expect(two.told).toEqual(["connected hub-1"]);
        await expect(one.link.fetch("hub-2", BLOB, 0, 1, NEVER)).rejects.toMatchObject({
          code: "unreachable",
        });
        await two.link.close();
      }));
  });
}
