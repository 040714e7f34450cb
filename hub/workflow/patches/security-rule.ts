// Who may add what. Judged from the graphs before and after, so that no wording hides anything.
//
// SR1. A person adds what the role allows. A hazard needs somebody whose role allows it.
// SR2. An agent adds what both the run's role and its own list allow. Beyond its own list a person's
//      word is needed; beyond the role of the run nothing helps but a person's own patch.
// SR3. What an agent may not touch without a person's word is trust-rule.ts.
// SR4. An address that is not public is refused whoever asks, unless it is listed itself.

import { mayAct, type Role, ROLES } from "@gantry/shared/contract/roles.ts";
import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Changes } from "./changes.ts";
import { destinationOf, isListed } from "./hosts.ts";
import { type OwnPatchCode, type PatchFault, patchFault } from "./patch-fault.ts";
import { type Allowance, fits, type PatchPolicy } from "./patch-policy.ts";
import type { Approver, Author, PatchedRun } from "./patch-types.ts";
import { rootOf } from "./spawn-rule.ts";
import { agentAt, trustFaults } from "./trust-rule.ts";
import { visit, visitAll } from "./walk.ts";

export interface Judged {
  readonly refused: readonly PatchFault[];
  /** What a person's word would help, and whose. */
  readonly needed: readonly PatchFault[];
  readonly role: Role;
}

export interface SecurityQuestion {
  readonly run: PatchedRun;
  readonly author: Author;
  readonly approvedBy: Approver | undefined;
  readonly policy: PatchPolicy;
  readonly changes: Changes;
  readonly after: Graph;
}

export function judgeSecurity(question: SecurityQuestion): Judged {
  const { author, policy, changes } = question;
  const byRole = policy.byRole[author.role];
  const visited = changes.nodes.flatMap(({ id, after, before }) => {
    if (after === undefined) return [];
    const known =
      before === undefined ? [] : visit(before, `/nodes/${id}`).map(({ node }) => signOf(node));
    return visit(after, `/nodes/${id}`).map((one) => ({
      ...one,
      isNew: !known.includes(signOf(one.node)),
    }));
  });
  const fresh = visited.filter(({ isNew }) => isNew);
  const refused: PatchFault[] = [];
  const needed: PatchFault[] = [];
  for (const { node, pointer } of fresh) {
    refused.push(...urlFaults(node, pointer, byRole.hosts));
    const excess = excessOf(node, pointer, byRole, policy);
    refused.push(...excess.filter(({ code }) => code !== "hazard_not_allowed")); // SR1, SR2
    needed.push(...excess.filter(({ code }) => code === "hazard_not_allowed")); // SR1
    if (author.kind === "agent")
      needed.push(...excessOf(node, pointer, ownOf(question, policy.agent), policy));
  }
  if (author.kind === "agent") {
    refused.push(...rightFaults(question, author));
    needed.push(...trustFaults(question, author)); // SR3
  }
  if (author.kind === "person" && byRole.types.size === 0)
    refused.push(patchFault("type_not_allowed", "", `A ${author.role} may not patch runs`));
  return settle(question, refused, unique(needed));
}

/** A person's word lifts what that person might have done alone. */
function settle(
  { approvedBy, policy, author }: SecurityQuestion,
  refused: readonly PatchFault[],
  needed: readonly PatchFault[],
): Judged {
  const isHazard = needed.some(({ code }) => code === "hazard_not_allowed");
  const role = isHazard ? hazardRole(policy) : "maker";
  const mayApprove = approvedBy !== undefined && mayAct(approvedBy.role, role);
  const isSelf = author.kind === "person" && approvedBy?.name === author.name;
  return { refused, needed: mayApprove && !isSelf ? [] : needed, role };
}

/** The lowest role that may allow hazards. */
const hazardRole = ({ byRole }: PatchPolicy): Role =>
  ROLES.find((role) => byRole[role].hazards) ?? "admin";

const unique = (faults: readonly PatchFault[]): readonly PatchFault[] => [
  ...new Map(faults.map((fault) => [`${fault.code} ${fault.pointer}`, fault])).values(),
];

/** What of a node the rules look at: where this is as before, nothing is added. */
const signOf = (node: WorkflowNode): string => {
  const { type, effect } = node;
  const own =
    type === "http"
      ? [node.method, node.url]
      : type === "task"
        ? [node.capability]
        : type === "agent"
          ? [node.patches]
          : type === "subworkflow"
            ? [node.workflow]
            : [];
  return JSON.stringify([type, effect, ...own]);
};

/** SR4, and the form of addresses. */
export function urlFaults(
  node: WorkflowNode,
  pointer: string,
  hosts: readonly string[],
): readonly PatchFault[] {
  if (node.type !== "http") return [];
  const to = destinationOf(node.url);
  if (to.kind === "fault") return [patchFault(to.code, `${pointer}/url`, to.what)];
  if (to.kind === "unknown" || to.isPublic || isListed(hosts, to.host, to.port)) return [];
  return [patchFault("url_not_public", `${pointer}/url`, `${to.host} is not a public address`)];
}

/** The same for all of a graph that nobody has patched. */
export const graphUrlFaults = (graph: Graph, hosts: readonly string[]): readonly PatchFault[] =>
  visitAll(graph).flatMap(({ node, pointer }) => urlFaults(node, pointer, hosts));

/** An agent may call what its run calls already: that widens nothing. */
const ownOf = ({ run }: SecurityQuestion, agent: Allowance): Allowance => ({
  ...agent,
  hosts: [
    ...agent.hosts,
    ...visitAll(run.graph).flatMap(({ node }) => {
      const to = node.type === "http" ? destinationOf(node.url) : undefined;
      return to?.kind === "host"
        ? [`${to.host.includes(":") ? `[${to.host}]` : to.host}:${to.port}`]
        : [];
    }),
  ],
});

function excessOf(
  node: WorkflowNode,
  pointer: string,
  allowance: Allowance,
  policy: PatchPolicy,
): readonly PatchFault[] {
  const faults: PatchFault[] = [];
  const say = (code: OwnPatchCode, member: string, what: string): void => {
    faults.push(patchFault(code, `${pointer}/${member}`, what));
  };
  if (!allowance.types.has(node.type))
    say("type_not_allowed", "type", `A node of type ${node.type} is added`);
  if (node.effect === "once" && !allowance.once)
    say("once_not_allowed", "effect", "A node that happens once for ever is added");
  if (node.type === "task") {
    if (!fits(allowance.capabilities, node.capability))
      say("capability_not_allowed", "capability", `The capability ${node.capability} is used`);
    if (fits(policy.hazardous, node.capability) && !allowance.hazards)
      say(
        "hazard_not_allowed",
        "capability",
        `The hazardous capability ${node.capability} is used`,
      );
  }
  if (node.type === "http") {
    const to = destinationOf(node.url);
    if (to.kind === "unknown") {
      if (!allowance.openHosts) say("url_host_unknown", "url", "An expression decides the host");
    } else if (to.kind === "host" && !isListed(allowance.hosts, to.host, to.port))
      say("host_not_allowed", "url", `${to.host}:${to.port} is not listed`);
  }
  return faults;
}

/** Whether this agent may patch at all. */
function rightFaults(
  { run }: SecurityQuestion,
  { place }: Extract<Author, { kind: "agent" }>,
): readonly PatchFault[] {
  const agent = agentAt(run.graph, place);
  if (agent !== undefined && agent.patches !== "no") return [];
  return [
    patchFault("may_not_patch", `/nodes/${rootOf(place)}`, `"${place}" may not patch its run`),
  ];
}
