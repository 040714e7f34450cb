// gantry registry, cluster: machines and hubs.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { readClientConfig } from "@gantry/shared/contract/config.ts";
import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import { badUsage, isOn, textOption } from "../args.ts";
import { type Command, type Context, readText, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderCluster, renderJoin } from "../render/cluster.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatSeconds } from "../render/units.ts";

type ClusterGroup = ReplyOf<"clusterHubsRemoved">;

export const registry: Command = async (context) => {
  const selector = textOption(context.options, "selector");
  const reply = await openClient(context).registry({
    query: { selector },
    signal: context.world.signal,
  });
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "ID", value: (row) => row.id },
        { title: "NAME", value: (row) => row.name },
        { title: "STATE", value: (row) => row.state },
        { title: "HEARD", value: (row) => `${formatSeconds(row.lastSeenMs / 1_000)} ago` },
        {
          title: "LABELS",
          value: ({ labels }) =>
            Object.entries(labels)
              .map(([name, value]) => `${name}=${value}`)
              .join(","),
        },
      ],
      reply.nodes,
      selector === undefined
        ? "No machine has joined. Make a code: gantry join-code NAME"
        : "No machine is like that.",
    ),
  );
};

export const cluster: Command = async (context) => {
  const [verb = "status"] = context.words;
  const run = VERBS.get(verb);
  if (run === undefined) {
    const known = [...VERBS.keys()].join(", ");
    throw badUsage(context.name, context.spec, `"${verb}" is not one of ${known}`);
  }
  return await run(context);
};

const status: Command = async (context) => {
  const reply = await openClient(context).cluster({ signal: context.world.signal });
  show(context, reply, (look) => renderCluster(look, reply));
};

const add: Command = async (context) => {
  const id = wordAt(context, 1, "The new hub's name");
  const address = wordAt(context, 2, "The new hub's address, tcp://HOST:PORT,");
  const body = { id, address, ...(isOn(context.options, "witness") ? { witness: true } : {}) };
  const made = await openClient(context).clusterHubAdded({ body, signal: context.world.signal });
  // What is to be run alone on stdout, so that it can be piped to the other machine.
  show(context, made, () => renderJoin(made));
  if (context.isJson) return;
  const what = made.witness ? "a witness" : "a learner";
  say(
    context,
    `${made.id} is ${what} from now on. Run this on the new machine, with an empty data folder. The code is a secret and is shown this once; gantry cluster add again makes another one while the hub was never here.`,
  );
  say(
    context,
    "Learners become voters by themselves, in pairs: never two voters. See: gantry cluster status",
  );
};

const remove: Command = async (context) => {
  const [, ...hubs] = context.words;
  if (hubs.length === 0) throw badUsage(context.name, context.spec, "Say which hubs");
  const client = openClient(context);
  const group = await client.clusterHubsRemoved({ body: { hubs }, signal: context.world.signal });
  show(context, group, () => groupText(group));
};

const promote: Command = async (context) => {
  const hub = wordAt(context, 1, "The learner's name");
  const client = openClient(context);
  const group = await client.clusterHubPromoted({ body: { hub }, signal: context.world.signal });
  show(context, group, () => groupText(group));
};

const transfer: Command = async (context) => {
  const [, to] = context.words;
  const body = to === undefined ? {} : { to };
  const client = openClient(context);
  const reply = await client.clusterTransferred({ body, signal: context.world.signal });
  show(context, reply, () => cleanLine(`${reply.leader} leads`));
};

/** Offline, and the hub's own program: towers do not import each other. Its exit code. */
const recover: Command = async ({ world, options }) => {
  const dataDir = textOption(options, "data-dir") ?? readClientConfig(world.env, readText).dataDir;
  const args = ["--data-dir", dataDir, ...(isOn(options, "yes") ? ["--yes"] : [])];
  const program = fileURLToPath(new URL("../../../hub/bin/recover.js", import.meta.url));
  if (!existsSync(program)) {
    const message = `This machine has no hub. On the one to recover, with its hub stopped: gantry-hub recover ${args.join(" ")}`;
    throw new GantryError("capability_missing", message);
  }
  return await world.runNode(program, args);
};

const VERBS: ReadonlyMap<string, Command> = new Map(
  Object.entries({ status, add, remove, promote, transfer, recover }),
);

const groupText = ({ voters, learners }: ClusterGroup): string =>
  cleanLine(
    `voters ${voters.join(" ")}${learners.length === 0 ? "" : `, learners ${learners.join(" ")}`}`,
  );

function say({ world }: Context, text: string): void {
  world.stderr.write(`${cleanLine(text)}\n`);
}
