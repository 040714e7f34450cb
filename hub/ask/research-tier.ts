// Research over MCP as a tier: a tool named `research_deep` (or `research`) of another server, that a person
// has agreed to, is given the question, and what it says is the answer.
//
// RT1. It is asked for news (freshnessRequired), by name (`@mcp:`), or when nobody of the house could.
// RT2. What must not leave the house is not sent; personal data and secrets are placeholders on the way.
// RT3. A tool that a person must agree to each time (a hazard) is no way to answer a question.
// RT4. What it says is text to be read: nothing in it is done.

import type { DataClass } from "@gantry/shared/contract/route.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { LoopTool } from "../agents/tool.ts";
import { makeRestorer, redact } from "../asking/redaction.ts";
import type { ForeignTools } from "../hands/agent-tools.ts";
import type { Hub } from "../hub.ts";
import { namesOf } from "./cloud.ts";
import { dataClassOf } from "./model-tiers.ts";
import { type AnswerTier, passed, taken } from "./tiers.ts";

const RESEARCH = /\.(?:[a-z0-9-]+_)?research(?:_deep)?$/;
/** The first of these that its schema has is given the question. */
const MEMBERS = ["query", "question", "prompt", "input", "topic", "q"];
const PROVIDER = "mcp";

export function makeResearchTier(
  hub: Hub,
  foreign: Pick<ForeignTools, "offered" | "call">,
  defaultClass: () => DataClass,
): AnswerTier {
  const answer: AnswerTier["answer"] = async ({ plan, say }, signal) => {
    const { question, prefixed } = plan;
    const { provider, model, role } = question;
    if (provider !== undefined && provider !== PROVIDER) return passed(`${provider} was asked for`);
    if (model !== undefined) return passed(`${model} was asked for`);
    if (
      plan.messages !== undefined ||
      plan.instruction !== undefined ||
      plan.pictures !== undefined
    )
      return passed("it is no question that can be researched");
    const tool = foreign.offered().find(isResearch);
    if (tool === undefined) return passed("no research tool is agreed to");
    if (dataClassOf(plan, defaultClass()) === "local-only")
      return passed("the question must not leave the house"); // RT2
    if (!plan.mayAct) return passed("tools are off");
    if (!mayAct(role, tool.role)) return passed(`${tool.name} is for the role ${tool.role}`);
    if (tool.hazardClass !== "none" && tool.hazardClass !== "low")
      return passed(`${tool.name} needs a person's word each time`); // RT3
    const { texts, values } = redact([prefixed.text], namesOf(hub));
    const said = await foreign.call(tool.name, argumentsFor(tool, texts[0] ?? ""), signal);
    const restorer = makeRestorer(values);
    const text =
      restorer.push(typeof said === "string" ? said : JSON.stringify(said)) + restorer.end();
    say(text);
    return taken({
      text,
      tier: "mcp",
      model: tool.name,
      confidence: 0,
      reason: plan.isFresh ? "news was asked for" : "it was researched outside of this house",
      metadata: {
        confidence: "unknown",
        tool: tool.name,
        ...(values.size === 0 ? {} : { redactions: values.size }),
      },
    });
  };
  return { tier: "research", answer };
}

const isResearch = ({ name }: LoopTool): boolean => RESEARCH.test(name);

/** Some research tools take a conversation, the others a text. */
function argumentsFor({ inputSchema }: LoopTool, text: string): Readonly<Record<string, unknown>> {
  const properties = (inputSchema["properties"] ?? {}) as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(properties, "messages")) return { messages: [{ role: "user", content: text }] };
  const member = MEMBERS.find((name) => Object.hasOwn(properties, name)) ?? "query";
  return { [member]: text };
}
