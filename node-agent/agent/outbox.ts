// The way to the hub that the works share. It changes under them: link after link, or none.

import type { NodeMessage } from "@gantry/shared/contract/link.ts";
import type { HubLink } from "./ports.ts";

export interface Outbox {
  /** True if the link took it. False: no session, or its queue is full; keep it and say it again. */
  tell(message: NodeMessage): boolean;
  /** The link whose session is open, or undefined between sessions. */
  use(link: HubLink | undefined): void;
}

export function makeOutbox(): Outbox {
  let current: HubLink | undefined;
  return {
    tell: (message) => current?.send([message]) === "sent",
    use(link) {
      current = link;
    },
  };
}
