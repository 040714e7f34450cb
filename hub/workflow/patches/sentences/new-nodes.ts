// What a new node is, from the words for it: a call, a pause, a question, an agent, or work for one of
// the machines. What the shop cannot do is not made up: it is asked for.

import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { JsonObject } from "../../json-value.ts";
import { ask, type Found } from "./names.ts";
import { durationMs, unquoted } from "./values.ts";

export type NewNode =
  | { readonly kind: "new"; readonly id: string; readonly node: JsonObject }
  | Extract<Found, { kind: "question" }>
  | { readonly kind: "unknown" };

const MESSAGES = /\b(?:e-?mail|mail|notification|notify|message|sms|alert|reminder)\b/i;
/** What a capability is called that sends some. */
const SENDERS = /(?:e-?mail|mail|notif|message|sms|alert|slack|telegram|matrix)/i;

/** `capabilities`: what machines offer now, and what the graph uses. */
export function newNode(words: string, graph: Graph, capabilities: readonly string[]): NewNode {
  const [named, called] = /^(.*?)\s+(?:called|named)\s+([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/i
    .exec(words)
    ?.slice(1) ?? [words, undefined];
  const what = (named ?? words).trim().replace(/^(?:a|an|the|one|another)\s+/i, "");
  const make = (kind: string, node: JsonObject): NewNode => ({
    kind: "new",
    id: called ?? freeId(graph, kind),
    node,
  });

  const call =
    /^(?:(get|post|put|patch|delete|http)\s+)?(?:http\s+)?(?:call|request)\s+(?:to|of)\s+(https?:\/\/\S+)$/i.exec(
      what,
    );
  if (call?.[2] !== undefined) {
    const method =
      call[1] === undefined || /^http$/i.test(call[1]) ? "POST" : call[1].toUpperCase();
    return make("call", { type: "http", method, url: call[2] });
  }
  const pause = /^(?:pause|wait|timer|delay|break)(?:\s+(?:of|for))?\s+(.+)$/i.exec(what);
  if (pause?.[1] !== undefined) {
    const delayMs = durationMs(pause[1]);
    return delayMs === undefined
      ? ask(`How long is "${pause[1].slice(0, 40)}"? Say it as in "a pause of 5 minutes".`, [])
      : make("pause", { type: "timer", delayMs });
  }
  const approval =
    /^(?:(?:human|manual)\s+)?(?:approval|confirmation|question)(?:\s+(?:asking|saying|for|that asks)?\s*(.+))?$/i.exec(
      what,
    );
  if (approval !== null) {
    const question = approval[1] === undefined ? "Go on?" : unquoted(approval[1]);
    return make("approval", { type: "approval", question });
  }
  const agent = /^agent\s+(?:that|which|who|to|asked to)\s+(.+)$/i.exec(what);
  if (agent?.[1] !== undefined) return make("agent", { type: "agent", prompt: unquoted(agent[1]) });
  const task = /^(?:task|job|command|capability)\s+(\S+)$/i.exec(what);
  if (task?.[1] !== undefined)
    return make(task[1].split(":").at(-1) ?? "task", taskOf(task[1], capabilities));
  if (MESSAGES.test(what)) return message(what, make, capabilities);
  return { kind: "unknown" };
}

/** `mail` is `command:mail` where a machine offers that. */
function taskOf(name: string, capabilities: readonly string[]): JsonObject {
  const offered = capabilities.includes(name) || !capabilities.includes(`command:${name}`);
  return { type: "task", capability: offered ? name : `command:${name}` };
}

function message(
  what: string,
  make: (kind: string, node: JsonObject) => NewNode,
  capabilities: readonly string[],
): NewNode {
  const kind = /e-?mail|mail/i.test(what) ? "email" : "notification";
  const senders = capabilities.filter((name) => SENDERS.test(name));
  const close = kind === "email" ? senders.filter((name) => /mail/i.test(name)) : senders;
  const fitting = close.length > 0 ? close : senders;
  const [only] = fitting;
  if (only === undefined)
    return ask(
      `No machine offers to send ${kind === "email" ? "an email" : "a notification"}. Say who does: "add a call to https://HOST/PATH ...", or "add a task CAPABILITY ...".`,
      [],
    );
  if (fitting.length > 1)
    return ask(
      'Several machines\' commands could send it. Which one? Say it as in "add a task NAME ...".',
      fitting,
    );
  const text = /\b(?:saying|that says|with (?:the )?text)\s+(.+)$/i.exec(what)?.[1];
  const to = /\bto\s+(\S+@\S+|[A-Za-z][\w.-]*)/i.exec(what)?.[1];
  const values = {
    ...(to === undefined ? {} : { to }),
    ...(text === undefined ? {} : { text: unquoted(text) }),
  };
  const hasValues = Object.keys(values).length > 0;
  return make(kind, { type: "task", capability: only, ...(hasValues ? { with: values } : {}) });
}

const ID = /[^A-Za-z0-9._-]+/g;

export function freeId(graph: Graph, kind: string): string {
  const base =
    kind
      .replaceAll(ID, "-")
      .replace(/^[._-]+/, "")
      .slice(0, 50) || "node";
  for (let number = 1; ; number += 1) {
    const id = number === 1 ? base : `${base}-${number}`;
    if (!Object.hasOwn(graph.nodes, id)) return id;
  }
}
