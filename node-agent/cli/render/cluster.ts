// The cluster as a person reads it: a line for each hub, who hears whom, and what to look at. Pure.

import type { ClusterView, HubView } from "@gantry/shared/contract/schemas/cluster.ts";
import { type Look, paint } from "./look.ts";
import { type Column, renderTable } from "./table.ts";
import { cleanLine } from "./text.ts";

const number = (value: number | undefined, unit = ""): string =>
  value === undefined ? "-" : `${value}${unit}`;

const COLUMNS: readonly Column<HubView>[] = [
  { title: "HUB", value: ({ id }) => id },
  { title: "ROLE", value: ({ role, reachable }) => (reachable ? role : `${role}, silent`) },
  { title: "TERM", value: ({ term }) => number(term), align: "right" },
  { title: "COMMITTED", value: (hub) => number(seen(hub, hub.commitIndex)), align: "right" },
  { title: "APPLIED", value: (hub) => number(seen(hub, hub.appliedIndex)), align: "right" },
  { title: "LAG", value: ({ lag }) => number(lag), align: "right" },
  { title: "SYNC P99", value: ({ pulse }) => number(pulse?.syncP99Ms, " ms"), align: "right" },
  { title: "LOOP P99", value: ({ pulse }) => number(pulse?.loopP99Ms, " ms"), align: "right" },
  { title: "STALLS", value: ({ pulse }) => number(pulse?.stalls), align: "right" },
  { title: "IN TOUCH", value: linksOf },
  { title: "ADDRESS", value: ({ address }) => address ?? "" },
];

/** What nobody could ask for is not zero. */
const seen = ({ reachable }: HubView, value: number): number | undefined =>
  reachable ? value : undefined;

/** How many of the hubs it should hear it does, and which not. */
function linksOf({ links }: HubView): string {
  if (links === undefined) return "-";
  if (links.length === 0) return "alone";
  const lost = links.filter(({ isConnected }) => !isConnected).map(({ hub }) => hub);
  const count = `${links.length - lost.length} of ${links.length}`;
  return lost.length === 0 ? count : `${count}, not ${lost.join(" ")}`;
}

export function renderCluster(look: Look, view: ClusterView): string {
  const { leader, term, voters, learners = [], isChanging, alarms = [], hubs } = view;
  const table = renderTable(look, COLUMNS, hubs, "There are no hubs.");
  const facts = [
    `leader ${leader ?? "none"}, term ${term}`,
    ...(voters === undefined ? [] : [`voters ${voters.join(" ")}`]),
    ...(learners.length === 0 ? [] : [`learners ${learners.join(" ")}`]),
    ...(isChanging === true ? ["the voters are being changed"] : []),
  ];
  const warnings = alarms.map(({ hub, text }) =>
    paint(look, "yellow", cleanLine(`! ${hub === undefined ? "" : `${hub} `}${text}`)),
  );
  return [table, cleanLine(facts.join(", ")), ...warnings].join("\n");
}

/** What to run on the new machine. `code` is a secret that is shown this once. */
export function renderJoin(hub: {
  readonly id: string;
  readonly address: string;
  readonly witness: boolean;
  readonly code: string;
}): string {
  const { id, address, code } = hub;
  return [
    `GANTRY_HUB_ID=${id} \\`,
    `GANTRY_PEER_BIND=${address} \\`,
    `GANTRY_CLUSTER_CODE=${code} \\`,
    "npx gantry-hub",
  ]
    .map(cleanLine)
    .join("\n");
}
