// What an author may add to a run, by role; and how much. Data: the composition root fills in hosts
// and capabilities from the configuration.

import type { Role } from "@gantry/shared/contract/roles.ts";
import type { NodeType } from "@gantry/shared/contract/workflow.ts";

/** Each says in `whenFull` what happens at it. */
export const PATCH_BOUNDS = {
  reasonChars: { max: 2_000, whenFull: "413 too_large" },
  /** Of the operations: strings and keys in characters, and 8 for each value. */
  weight: { max: 262_144, whenFull: "413 too_large" },
  /** Nodes that agents may add to one run, bodies included. */
  nodesByAgents: { max: 500, whenFull: "413 too_large, spawn_nodes" },
  /** Agent nodes of a graph that a patch may leave behind, bodies included. */
  agents: { max: 100, whenFull: "413 too_large, spawn_agents" },
  /** An agent that an agent has added, that an agent has added ... */
  generations: { max: 3, whenFull: "413 too_large, spawn_depth" },
  /**
   * Of executors in one pass over the graph: a node in a loop counts maxRounds times, in a map
   * maxParallel times, multiplied where they are nested.
   */
  calls: { max: 1_000_000, whenFull: "413 too_large, spawn_calls" },
  /** The same of agent nodes alone: each is a turn of a model. */
  agentCalls: { max: 10_000, whenFull: "413 too_large, spawn_calls" },
} as const;

export interface Allowance {
  readonly types: ReadonlySet<NodeType>;
  /** Of task nodes: names, or `prefix*`. */
  readonly capabilities: readonly string[];
  /** As in GANTRY_EGRESS_ALLOW, without ranges: `api.example.org`, `*.example.org`, `erp.lan:8443`. */
  readonly hosts: readonly string[];
  /** An expression may decide the host: the way out judges it when it is known. */
  readonly openHosts: boolean;
  /** Nodes with effect `once`. */
  readonly once: boolean;
  /** Capabilities of `hazardous`. */
  readonly hazards: boolean;
}

export interface PatchPolicy {
  readonly byRole: Readonly<Record<Role, Allowance>>;
  /** What an agent may do by itself, and never more than the role of who started the run. */
  readonly agent: Allowance;
  /** Capabilities that move or heat something: names, or `prefix*`. */
  readonly hazardous: readonly string[];
}

const INNER: readonly NodeType[] = ["function", "join", "branch", "approval", "timer", "artifact"];
const OUTER: readonly NodeType[] = [
  "http",
  "agent",
  "task",
  "document",
  "map",
  "loop",
  "subworkflow",
];

export interface PolicyParts {
  /** What a workflow may call at all. */
  readonly hosts: readonly string[];
  /** Which of them an agent may add calls to, unasked. */
  readonly agentHosts: readonly string[];
  /** Which capabilities an agent may use, unasked. */
  readonly agentCapabilities: readonly string[];
  readonly hazardous: readonly string[];
}

/** Viewers nothing, operators what stays inside the run, makers calls as well, safety hazards too. */
export function patchPolicy(parts: PolicyParts): PatchPolicy {
  const none: Allowance = {
    types: new Set(),
    capabilities: [],
    hosts: [],
    openHosts: false,
    once: false,
    hazards: false,
  };
  const operator: Allowance = { ...none, types: new Set(INNER) };
  const maker: Allowance = {
    types: new Set([...INNER, ...OUTER]),
    capabilities: ["*"],
    hosts: parts.hosts,
    openHosts: true,
    once: true,
    hazards: false,
  };
  const safety: Allowance = { ...maker, hazards: true };
  return {
    byRole: { wall: none, viewer: none, operator, maker, safety, admin: safety },
    agent: {
      types: new Set([...maker.types].filter((type) => type !== "subworkflow")), // it may hold any hazard
      capabilities: parts.agentCapabilities,
      hosts: parts.agentHosts,
      openHosts: false,
      once: false,
      hazards: false,
    },
    hazardous: parts.hazardous,
  };
}

export const fits = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name,
  );
