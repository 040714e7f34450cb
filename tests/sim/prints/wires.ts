// The link between hubs and machines: one session of a machine with one hub at a time, in order; cut now
// and then with all that is under way. An order may come again, much later, also after another hub's.

import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { World } from "../world.ts";
import { type HubSide, type Reigning, secretOf } from "./hub-side.ts";
import type { NodeLife } from "./node-side.ts";

const WIRE_MS_MAX = 12;
const DIAL_MS_MAX = 60;
/** An order that comes a second time comes this late at most. */
const LATE_MS_MAX = 6_000;
const TWICE = 0.3;

interface Session {
  readonly node: string;
  readonly life: NodeLife;
  readonly hub: Reigning;
  isOpen: boolean;
}

export interface Wires {
  toHub(node: string, message: NodeMessage): boolean;
  toNode(from: Reigning, node: string, messages: readonly HubMessage[]): void;
  /** Opens a session with whoever leads, unless there is one. */
  dial(node: string, life: NodeLife): void;
  cut(node: string): void;
}

export function makeWires(world: World, hubs: () => HubSide): Wires {
  const { random } = world;
  const sessions = new Map<string, Session>();
  const freeAt = new Map<string, number>();

  /** In order, each way. */
  function inOrder(way: string, run: () => void): void {
    const at = Math.max(freeAt.get(way) ?? 0, world.now + random() * WIRE_MS_MAX);
    freeAt.set(way, at);
    world.after(at - world.now, run);
  }

  function close(session: Session): void {
    if (!session.isOpen) return;
    session.isOpen = false;
    session.hub.session(session.node, false);
    if (sessions.get(session.node) === session) sessions.delete(session.node);
  }

  function welcome(session: Session, isAllowed: boolean): void {
    if (!isAllowed || !isAlive(session)) return close(session);
    const { hub, node, life } = session;
    hub.session(node, true);
    hub.handler.joined(node, life.bootId);
    inOrder(`${node}<`, () => {
      if (isAlive(session)) life.welcome();
    });
  }

  const isAlive = ({ isOpen, life, hub }: Session): boolean =>
    isOpen && !life.isOver() && !hub.isOver();

  return {
    toHub(node, message) {
      const session = sessions.get(node);
      if (session === undefined || !isAlive(session)) return false;
      world.note(() => `${node} > ${JSON.stringify(message).slice(0, 200)}`);
      inOrder(`${node}>`, () => {
        if (isAlive(session)) session.hub.handler.received(node, [message]);
      });
      return true;
    },
    toNode(from, node, messages) {
      const session = sessions.get(node);
      if (session === undefined || session.hub !== from) return;
      for (const message of messages) {
        world.note(() => `${node} < ${JSON.stringify(message).slice(0, 200)}`);
        inOrder(`${node}<`, () => {
          if (isAlive(session)) session.life.take(message);
        });
        const isOrder = message.type === "print" || message.type === "printWish";
        if (isOrder && random() < TWICE) {
          world.after(random() * LATE_MS_MAX, () => sessions.get(node)?.life.take(message));
        }
      }
    },
    dial(node, life) {
      const before = sessions.get(node);
      // It hears of the end of a reign when its hub does.
      if (before !== undefined && isAlive(before) && before.life === life) return;
      if (before !== undefined) close(before);
      const hub = hubs().leading;
      if (hub === undefined) return;
      const session: Session = { node, life, hub, isOpen: true };
      sessions.set(node, session);
      world.after(random() * DIAL_MS_MAX, () => {
        if (!isAlive(session)) return;
        void hub.handler
          .hello({
            type: "hello",
            node,
            secret: secretOf(node),
            bootId: life.bootId,
            labels: {},
            capabilities: { models: [], commands: [], printers: [...life.printers()] },
            holds: life.prints.holds(),
          })
          .then((denied) => welcome(session, denied === undefined));
      });
    },
    cut(node) {
      const session = sessions.get(node);
      if (session !== undefined) close(session);
    },
  };
}
