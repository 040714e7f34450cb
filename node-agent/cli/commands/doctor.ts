// gantry doctor: the hub's own examination of its stored data, as a program of its own (towers do not
// import each other, so it is started, not called); with --cluster, the running hubs compare theirs.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ERRORS, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { readClientConfig } from "@gantry/shared/contract/config.ts";
import type { ClusterExam } from "@gantry/shared/contract/schemas/cluster.ts";
import { isOn } from "../args.ts";
import { type Command, readText, show } from "../context.ts";
import { openClient } from "../opening.ts";
import { paint } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatBytes } from "../render/units.ts";

/** The exit code is the doctor's own. */
export const doctor: Command = async (context) => {
  const { world, words, isJson, options } = context;
  if (isOn(options, "cluster")) return await examineCluster(context);
  const [dataDir = readClientConfig(world.env, readText).dataDir] = words;
  const program = fileURLToPath(new URL("../../../hub/bin/doctor.js", import.meta.url));
  if (!existsSync(program)) {
    throw new GantryError("capability_missing", `This machine has no hub: ${program} is missing`);
  }
  return await world.runNode(program, isJson ? [dataDir, "--json"] : [dataDir]);
};

const examineCluster: Command = async (context) => {
  const { signal } = context.world;
  const exam = await openClient(context).clusterExam({ signal, timeoutMs: TIMEOUT.answerMs });
  show(context, exam, (look) => {
    const table = renderTable(
      look,
      [
        { title: "HUB", value: (row) => row.hub },
        { title: "ROLE", value: (row) => row.role ?? "does not answer" },
        { title: "TERM", value: (row) => String(row.term ?? ""), align: "right" },
        { title: "STATE", value: (row) => row.sha256?.slice(0, 12) ?? "-" },
        { title: "RELEASE", value: (row) => row.version ?? "" },
        { title: "CLOCK", value: ({ clockAheadMs: ms }) => (ms === undefined ? "" : `${ms} ms`) },
        {
          title: "FREE",
          value: ({ freeBytes }) => (freeBytes === undefined ? "" : formatBytes(freeBytes)),
        },
      ],
      exam.hubs,
      "There are no hubs.",
    );
    const { isSame, index, faults, warnings } = exam;
    const verdict = isSame
      ? paint(look, "green", `All hubs hold the same at log entry ${index}.`)
      : paint(look, "red", "It is not shown that all hubs hold the same.");
    const advice = faults.length === 0 ? [] : [ADVICE];
    return [table, ...faults.map(cleanLine), ...advice, ...warnings.map(cleanLine), verdict].join(
      "\n",
    );
  });
  return exitOf(exam);
};

const ADVICE =
  "-> on a hub that differs: stop it, run gantry doctor there, then remove it and add it again";

/** 74 where hubs differ; 69 where it cannot be said, or a hub does not answer; else 0. */
function exitOf({ faults, isSame, hubs }: ClusterExam): number {
  if (faults.length > 0) return ERRORS.data_damaged.exit;
  const isComplete = isSame && hubs.every(({ isReachable }) => isReachable);
  return isComplete ? 0 : ERRORS.unreachable.exit;
}
