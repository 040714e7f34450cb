// Puts the state of another hub in the place of ours when the core asks for it, one at a time, and
// lets everybody here go on from it. How it is done: install.ts.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { PeerLink } from "../ports.ts";
import type { Applier } from "./applier.ts";
import type { Driver, Offer } from "./driver.ts";
import { crash } from "./faults.ts";
import { HalfInstalled, type InstallParts, installSnapshot } from "./install.ts";
import type { Proposals } from "./proposals.ts";

export interface TakeOverParts extends Omit<InstallParts, "offer" | "onSwap" | "peers"> {
  /** Without it nothing can be fetched. */
  readonly peers: Pick<PeerLink, "fetch"> | undefined;
  readonly driver: Driver;
  readonly applier: Applier;
  readonly proposals: Proposals;
  readonly log: Logger;
  readonly onInstalled: (() => void) | undefined;
}

export interface TakeOver {
  /** The rows are being replaced, or are about to be. */
  readonly isUnderWay: boolean;
  start(offer: Offer): void;
}

export function makeTakeOver(parts: TakeOverParts): TakeOver {
  const { peers, driver, applier, proposals, signal, log } = parts;
  let isUnderWay = false;

  async function install(offer: Offer, from: NonNullable<typeof peers>): Promise<void> {
    isUnderWay = true;
    const installed = await installSnapshot({
      ...parts,
      offer,
      peers: from,
      onSwap: () => driver.hold(), // D9 of driver.ts
    }).catch((error: unknown) => {
      if (error instanceof HalfInstalled && !signal.aborted) throw error.cause; // IN4 of install.ts
      if (!signal.aborted)
        log.warn({ error: toErrorRecord(error), from: offer.from }, "no snapshot installed");
      return undefined;
    });
    isUnderWay = false;
    driver.resume();
    if (installed !== undefined) {
      const { index, indexTerm: term } = offer;
      applier.installed({ index, term }, installed);
      proposals.installed(index);
      log.info({ index, from: offer.from }, "installed a snapshot");
      parts.onInstalled?.();
    }
    driver.installed(offer, installed !== undefined);
  }

  return {
    get isUnderWay() {
      return isUnderWay;
    },
    start(offer) {
      if (!isUnderWay && peers !== undefined) install(offer, peers).catch(crash);
    },
  };
}
