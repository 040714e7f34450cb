// The desk that doors get: closed while the hub starts, so that a request is answered with `starting`
// instead of hanging, and /healthz and /readyz say how far the start has come.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Health } from "@gantry/shared/contract/schemas/service.ts";
import type { Desk } from "../ports.ts";

export interface DeskGate {
  readonly desk: Desk;
  open(desk: Desk): void;
}

export function makeDeskGate(report: () => Health): DeskGate {
  let real: Desk | undefined;
  const early: Parameters<Desk["watch"]>[] = [];
  return {
    desk: {
      authenticate: (secretSha256) =>
        real === undefined ? Promise.reject(starting()) : real.authenticate(secretSha256),
      call(route, request, options) {
        if (real !== undefined) return real.call(route, request, options);
        if (route === "live" || route === "ready") return Promise.resolve(report());
        return Promise.reject(starting());
      },
      watch(...watch) {
        if (real !== undefined) real.watch(...watch);
        else early.push(watch);
      },
    },
    open(desk) {
      real = desk;
      for (const watch of early.splice(0)) desk.watch(...watch);
    },
  };
}

const starting = (): GantryError =>
  new GantryError("starting", "The hub is starting", { details: { retryAfterS: 1 } });
