// What the other hubs of the cluster may ask of this one, and whether its ledger is still the same as
// theirs.

import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import { type Agreement, makeAgreement } from "../cluster/agreement.ts";
import type { ClusterBlobs } from "../cluster/blobs.ts";
import { deskForOthers } from "../cluster/desk.ts";
import { serveHubs } from "../cluster/serve.ts";
import type { Serving } from "../cluster/serving.ts";
import type { ExamParts } from "../doctor/exam.ts";
import { META_ID } from "../ledger/journal.ts";
import type { HubCore } from "./core.ts";

export interface OthersParts {
  readonly core: HubCore;
  readonly blobs: ClusterBlobs;
  readonly serving: Serving;
  readonly facts: () => HubFacts;
  readonly exam: ExamParts;
  readonly signal: AbortSignal;
}

export interface Others {
  readonly agreement: Agreement;
  /** How this hub's ledger differs from the leader's; undefined: not known to. */
  readonly disagreement: () => string | undefined;
}

/** Answers calls of other hubs from now on. */
export function answerOthers({ core, blobs, serving, facts, exam, signal }: OthersParts): Others {
  const { hub } = core;
  const agreement = makeAgreement();
  let disagreement: string | undefined;
  hub.feed.watch(() => {
    const hash = hub.rows.get("meta", META_ID)?.auditHash;
    if (hash !== undefined) agreement.applied({ position: hub.replica.ledger.position, hash });
  }, signal);
  serveHubs({
    core,
    desk: (asked) =>
      deskForOthers(
        {
          leading: () => serving.desk,
          isElected: () => hub.replica.status().role === "leader",
          change: (held) => serving.change(held),
          clock: hub.clock,
        },
        asked,
      ),
    blobs,
    facts,
    exam,
    agreement,
    onDisagreement({ position }, from) {
      disagreement = `the ledger differs from that of ${from} at position ${position}`;
      hub.log.error(
        { position, from },
        "the ledger differs from the leader's; remove this hub and add it again",
      );
    },
  });
  return { agreement, disagreement: () => disagreement };
}
