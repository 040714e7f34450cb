// The hubs of a cluster, and how they stand to each other.

import { z } from "zod";
import type { SomeRoutes } from "./common.ts";

/** GANTRY_HUB_ID of a hub. */
const hubIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "not the id of a hub");

const hubViewSchema = z.object({
  id: z.string(),
  role: z.string(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
  reachable: z.boolean(),
  address: z.string().optional(),
  term: z.number().optional(),
  lastIndex: z.number().optional(),
  isVoter: z.boolean().optional(),
  /** Entries that the leader has and this hub has not; only the leader knows. */
  lag: z.number().optional(),
  damage: z.string().optional(),
  writeAgeMs: z.number().optional(),
  pulse: z
    .object({
      loopP99Ms: z.number(),
      loopMaxMs: z.number(),
      syncP50Ms: z.number(),
      syncP99Ms: z.number(),
      syncs: z.number().int(),
      stalls: z.number(),
    })
    .optional(),
  links: z
    .array(
      z.object({
        hub: z.string(),
        isConnected: z.boolean(),
        heardAgoMs: z.number().optional(),
        dropped: z.number(),
      }),
    )
    .optional(),
});
export type HubView = z.infer<typeof hubViewSchema>;

const clusterViewSchema = z.object({
  leader: z.string().nullable(),
  term: z.number(),
  clusterId: z.string().optional(),
  electionMs: z.number().optional(),
  voters: z.array(z.string()).optional(),
  learners: z.array(z.string()).optional(),
  /** Between the old and the new group of voters. */
  isChanging: z.boolean().optional(),
  /** What a person should look at, in words. */
  alarms: z.array(z.object({ hub: z.string().optional(), text: z.string() })).optional(),
  hubs: z.array(hubViewSchema),
});
export type ClusterView = z.infer<typeof clusterViewSchema>;

const clusterGroupSchema = z.object({
  voters: z.array(z.string()),
  learners: z.array(z.string()),
});

const hubExamSchema = z.object({
  hub: z.string(),
  isReachable: z.boolean(),
  role: z.string().optional(),
  term: z.number().optional(),
  version: z.string().optional(),
  appliedIndex: z.number().optional(),
  voters: z.array(z.string()).optional(),
  freeBytes: z.number().optional(),
  totalBytes: z.number().optional(),
  /** Against the leader's clock. */
  clockAheadMs: z.number().optional(),
  /** Commands so far, and the hash of all rows, at `index`. */
  position: z.number().optional(),
  sha256: z.string().optional(),
});
export type HubExam = Readonly<z.infer<typeof hubExamSchema>>;

const clusterExamSchema = z.object({
  /** The log entry at which the rows were hashed; null: the hubs did not come to one. */
  index: z.number().nullable(),
  /** Every hub that holds rows and answers has the same ones. */
  isSame: z.boolean(),
  faults: z.array(z.string()),
  warnings: z.array(z.string()),
  hubs: z.array(hubExamSchema),
});
export type ClusterExam = Readonly<z.infer<typeof clusterExamSchema>>;

export const CLUSTER_SCHEMAS = {
  cluster: { reply: clusterViewSchema },
  clusterHubAdded: {
    body: z.strictObject({
      id: hubIdSchema,
      address: z.string().min(1).max(255),
      witness: z.boolean().optional(),
    }),
    reply: z.object({
      id: z.string(),
      address: z.string(),
      witness: z.boolean(),
      code: z.string(),
    }),
  },
  clusterHubsRemoved: {
    body: z.strictObject({ hubs: z.array(hubIdSchema).min(1).max(16) }),
    reply: clusterGroupSchema,
  },
  clusterHubPromoted: { body: z.strictObject({ hub: hubIdSchema }), reply: clusterGroupSchema },
  clusterTransferred: {
    body: z.strictObject({ to: hubIdSchema.optional() }),
    reply: z.object({ leader: z.string(), term: z.number() }),
  },
  clusterExam: { reply: clusterExamSchema },
} satisfies SomeRoutes;
