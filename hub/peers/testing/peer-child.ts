// A hub that only links and echoes, as a process of its own: the tests kill and stop it.
//
//   node peer-child.ts '{"bind", "hubId", "clusterId", "keys", "peers"}'    writes its endpoint as one line

import { writeSync } from "node:fs";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { z } from "zod";
import { openPeerLink, type OpenPeerLink } from "../../adapters/peer-link.ts";

const optionsSchema = z.object({
  bind: z.string(),
  hubId: z.string(),
  clusterId: z.string(),
  keys: z.object({ publicKey: z.string(), secretKey: z.string() }),
  peers: z.array(z.object({ id: z.string(), address: z.string(), publicKey: z.string() })),
});

const { bind, hubId, clusterId, keys, peers } = optionsSchema.parse(
  JSON.parse(process.argv[2] ?? ""),
);
const link: OpenPeerLink = await openPeerLink({
  bind,
  hubId,
  clusterId: BigInt(clusterId),
  keys,
  clock: systemClock,
  log: silentLogger,
  signal: new AbortController().signal,
  handler: {
    received(messages) {
      for (const { from, term } of messages) {
        link.send([{ type: "heartbeatAnswer", from: hubId, to: from, term, read: 0 }]);
      }
    },
    posted: (from, body) => void link.post(from, body),
    connected() {},
    lost() {},
    piece: async () => undefined,
  },
});
link.use(peers);
writeSync(1, `${link.endpoint}\n`);
