// The broker as the MQTT door sees it: our own (adapters/broker-embedded.ts) or one that runs
// elsewhere (adapters/broker-external.ts). Types only; both pass the same exam (door.test.ts).

import type { Actor } from "@gantry/shared/contract/roles.ts";

export interface Publication {
  readonly topic: string;
  /** JSON, or empty to take a retained message away. */
  readonly payload: string;
  readonly retain: boolean;
  readonly qos: 0 | 1;
}

export interface Received {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Who the broker knows the sender to be; absent where it does not say (an external broker). */
  readonly actor?: Actor;
}

/** What a broker asks of the door. */
export interface BrokerHandler {
  /** Published, retained, by an external broker when we vanish. */
  readonly will: Publication;
  authenticate(secretSha256: string): Promise<Actor | undefined>;
  maySubscribe(actor: Actor, filter: string): boolean;
  mayReceive(actor: Actor, topic: string, payload: Uint8Array): boolean;
  /**
   * A message from outside. Resolves when its effect is on record or it was refused; only then may
   * the broker acknowledge it. Never rejects.
   */
  received(message: Received): Promise<void>;
  /** The link is up, for the first time or again; the broker may have forgotten everything. */
  connected(): void;
}

export interface Broker {
  /** For people: where it listens or what it is connected to, without credentials. */
  readonly address: string;
  /** Resolves when the broker has it. Rejects with `unreachable` or `timeout`. */
  publish(publication: Publication): Promise<void>;
  /** A token changed: look again at everybody who is connected and close who may no longer be. */
  recheck(): Promise<void>;
  close(): Promise<void>;
}

export type OpenBroker = (handler: BrokerHandler, signal: AbortSignal) => Promise<Broker>;
