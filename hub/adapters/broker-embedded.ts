// The Broker port over aedes: a broker of our own in this process, MQTT 3.1 and 3.1.1 over TCP.
//
// BE1. aedes acknowledges a QoS 1 publish before it does anything with it, but after
//      `authorizePublish`; so the command is put on record inside that hook.
// BE2. The hook never fails: aedes answers a failed publish by closing the connection, and a device
//      sends the same message again 19 times in 2 s (measured). What is refused is sent to a topic
//      that nobody can subscribe to.
// BE3. A password is a token of the hub; the user name says nothing. Who is connected is asked again
//      when a token changes.
// BE4. No session outlives its connection, so a client that never comes back costs no memory.
// BE5. A client id belongs to the person who holds it: only the same token may take it over.

import { createServer, type AddressInfo, type Server } from "node:net";
import { Aedes, type AedesPublishPacket, type Client, type PublishPacket } from "aedes";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Broker, BrokerHandler, OpenBroker, Publication } from "../mqtt/broker.ts";

const CONNECTIONS_MAX = 500;
const CONNECT_TIMEOUT_MS = 5_000;
/** aedes closes a client that does not read for this long. */
const DRAIN_TIMEOUT_MS = 15_000;
const TOPIC_LEVELS_MAX = 16;
/** `$` keeps it out of every wildcard, and subscribing to it is refused (BE2). */
const NOWHERE = "$gantry/refused";

export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly log: Logger;
}

interface Login {
  readonly actor: Actor;
  readonly secretSha256: string;
}

export function embeddedBroker({ host, port, log }: EmbeddedBrokerOptions): OpenBroker {
  return async (handler) => {
    const logins = new Map<Client, Login>();
    const aedes = await Aedes.createBroker({
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxTopicLevels: TOPIC_LEVELS_MAX,
      ...hooksFor(handler, logins),
    });
    aedes.on("clientDisconnect", (client) => logins.delete(client));
    aedes.on("clientError", (client, error) => {
      log.debug({ client: client.id, reason: error.message }, "mqtt client failed");
    });
    aedes.on("connectionError", (_client, error) => {
      log.debug({ reason: error.message }, "mqtt connection refused");
    });
    const server = createServer((socket) => void aedes.handle(socket));
    server.maxConnections = CONNECTIONS_MAX;
    try {
      await listen(server, host, port);
    } catch (error) {
      aedes.close();
      throw error;
    }
    const { port: taken } = server.address() as AddressInfo; // a TCP server has no other kind
    const broker: Broker = {
      address: `mqtt://${host}:${taken}`,
      publish: (publication) => publish(aedes, publication),
      recheck: () => recheck(logins, handler),
      close: () => close(aedes, server),
    };
    handler.connected();
    return broker;
  };
}

type Hooks = Pick<
  NonNullable<ConstructorParameters<typeof Aedes>[0]>,
  "preConnect" | "authenticate" | "authorizePublish" | "authorizeSubscribe" | "authorizeForward"
>;

function hooksFor(handler: BrokerHandler, logins: Map<Client, Login>): Hooks {
  async function login(client: Client, password: Buffer | undefined): Promise<boolean> {
    if (password === undefined) return false;
    const secretSha256 = sha256(password);
    const actor = await handler.authenticate(secretSha256);
    if (actor === undefined || isTaken(logins, client.id, secretSha256)) return false;
    logins.set(client, { actor, secretSha256 });
    return true;
  }

  return {
    preConnect(_client, packet, done) {
      packet.clean = true; // BE4
      done(null, true);
    },
    authenticate(client, _username, password, done) {
      void answer(login(client, password), (isKnown) => done(null, isKnown === true));
    },
    authorizeSubscribe(client, subscription, done) {
      const known = logins.get(client);
      const isAllowed =
        known !== undefined && handler.maySubscribe(known.actor, subscription.topic);
      done(null, isAllowed ? subscription : null);
    },
    authorizeForward(client, packet) {
      const known = logins.get(client);
      if (known === undefined) return null;
      const payload = bytesOf(packet);
      return handler.mayReceive(known.actor, packet.topic, payload) ? packet : null;
    },
    authorizePublish(client, packet, done) {
      const known = client === null ? undefined : logins.get(client);
      if (known === undefined) {
        drop(packet); // the will of somebody who was cut off
        done();
        return;
      }
      const message = { topic: packet.topic, payload: bytesOf(packet), actor: known.actor };
      drop(packet); // commands carry tokens: nobody else gets them
      void answer(handler.received(message), () => done()); // BE1
    },
  };
}

/** Hands the result to a callback; nothing when the hub could not tell (BE2, and nobody comes in). */
async function answer<T>(work: Promise<T>, done: (result: T | undefined) => void): Promise<void> {
  done(await work.catch(() => undefined));
}

/** BE5. */
const isTaken = (logins: Map<Client, Login>, id: string, secretSha256: string): boolean =>
  [...logins].some(([other, held]) => other.id === id && held.secretSha256 !== secretSha256);

/** aedes reads the hook's verdict from the packet itself. */
function drop(packet: PublishPacket): void {
  packet.topic = NOWHERE;
  packet.payload = "";
  packet.retain = false;
}

const bytesOf = ({ payload }: PublishPacket | AedesPublishPacket): Buffer =>
  typeof payload === "string" ? Buffer.from(payload) : payload;

/** BE3. */
async function recheck(logins: Map<Client, Login>, handler: BrokerHandler): Promise<void> {
  for (const [client, { secretSha256 }] of logins) {
    const actor = await handler.authenticate(secretSha256);
    if (actor === undefined) client.close();
    else logins.set(client, { actor, secretSha256 });
  }
}

function publish(aedes: Aedes, { topic, payload, retain, qos }: Publication): Promise<void> {
  return new Promise((resolve, reject) => {
    if (aedes.closed) {
      reject(new GantryError("unreachable", "The MQTT broker is closed"));
      return;
    }
    const packet = { cmd: "publish" as const, topic, payload, retain, qos, dup: false };
    aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === "EADDRINUSE"
          ? new GantryError(
              "port_busy",
              `Port ${port} of ${host} is in use; stop the other broker, set GANTRY_MQTT_PORT, ` +
                "or set GANTRY_MQTT_URL to use the other one",
              { cause },
            )
          : new GantryError("io_error", `Cannot listen on ${host}:${port}`, { cause }),
      );
    });
    server.listen(port, host, () => resolve());
  });
}

function close(aedes: Aedes, server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close();
    aedes.close(resolve);
  });
}
