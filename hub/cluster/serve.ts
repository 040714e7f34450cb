// What a hub does for other hubs when they call it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { isSha256 } from "@gantry/shared/base/digest.ts";
import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import type { HubId } from "../consensus/types.ts";
import type { ServeOptions } from "../peers/calls.ts";
import type { Desk } from "../ports.ts";
import type { HubCore } from "../roots/core.ts";
import { EXAM_FACTS, EXAM_STATE, examFacts, examState, type ExamParts } from "../doctor/exam.ts";
import { type Agreement, STAMP, type Stamp } from "./agreement.ts";
import { makeAttempts } from "./attempts.ts";
import { type ClusterBlobs, KEEP_BLOB } from "./blobs.ts";
import { HUB_FACTS } from "./describe.ts";
import { DESK_CALL, type ForwardedRequest, WHO_CALL } from "./desk.ts";
import { LEFT, MEMBERS } from "./members.ts";
import { SOFT_PRINTERS, takeSoft } from "./soft-relay.ts";
import { HUB_STATE, hubState } from "./state.ts";

export interface ServeParts {
  readonly core: HubCore;
  /** While this hub leads, or in a moment. Throws no_leader. */
  readonly desk: (signal: AbortSignal) => Promise<Desk>;
  readonly blobs: ClusterBlobs;
  readonly facts: () => HubFacts;
  readonly exam: ExamParts;
  readonly agreement: Agreement;
  readonly onDisagreement: (told: Stamp, from: HubId) => void;
}

/** The answer is on its way before the links end. */
const LAST_WORD_MS = 2_000;

type Service = (from: HubId, body: unknown, options: ServeOptions) => unknown;

/** Answers calls of other hubs from now on. */
export function serveHubs({
  core,
  desk,
  blobs,
  facts,
  exam,
  agreement,
  onDisagreement,
}: ServeParts): void {
  const attempts = makeAttempts(() => core.hub.replica.status().term);
  const services: Readonly<Record<string, Service>> = {
    async [DESK_CALL](_, body, options) {
      const sending = body as ForwardedRequest; // made by a hub of this cluster
      const fence = attempts.fence(sending);
      const leading = await desk(options.signal);
      fence(); // FW7
      return leading.call(sending.route, { ...sending.request, fence }, options);
    },
    async [WHO_CALL](_, body, { signal }) {
      const { secretSha256 } = body as { secretSha256: string }; // made by a hub of this cluster
      return { actor: await (await desk(signal)).authenticate(secretSha256) };
    },
    [KEEP_BLOB](from, body, { signal }) {
      const { sha256 } = body as { sha256?: unknown };
      if (typeof sha256 !== "string" || !isSha256(sha256))
        throw new GantryError("bad_request", "A blob is named by its sha256");
      return blobs.keep(sha256, from, signal);
    },
    [MEMBERS]: (_, body) => core.members.take(body),
    [LEFT]: (from) => leave(core, from),
    [SOFT_PRINTERS]: (_, body) => takeSoft(core.hub.soft, body),
    [HUB_STATE]: () => hubState(core),
    [HUB_FACTS]: () => facts(),
    [EXAM_FACTS]: () => examFacts(exam),
    [EXAM_STATE]: (_, body, { signal }) => examState(exam, body, signal),
    [STAMP](from, body) {
      const told = body as Stamp;
      if (agreement.compare(told) === "other") onDisagreement(told, from);
    },
  };
  core.calls.serve(async (from, kind, body, options) => {
    const service = services[kind];
    if (service === undefined)
      throw new GantryError("not_found", `This hub knows no ${kind}: both need one release`);
    return service(from, body, options);
  });
}

async function leave({ hub, members }: HubCore, from: HubId): Promise<void> {
  if (members.isRemoved) return;
  await members.leave();
  hub.log.warn(
    { from },
    "this hub was removed from its cluster: it serves nothing any more, and its data is kept",
  );
  const never = new AbortController().signal;
  hub.clock
    .sleep(LAST_WORD_MS, never)
    .then(() => members.unlink())
    .catch(() => {}); // logged by members.ts
}
