// gantry models: which models the hub can use, and fetching one to this machine.

import { join } from "node:path";
import { isObject } from "@gantry/shared/client/problem.ts";
import { readClientConfig } from "@gantry/shared/contract/config.ts";
import { badUsage, textOption } from "../args.ts";
import { type Command, type Context, readText, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { lookOf } from "../render/look.ts";
import { REDRAW, renderProgress } from "../render/progress.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatBytes, formatSeconds } from "../render/units.ts";

export const models: Command = async (context) => {
  const [verb = ""] = context.words;
  switch (verb) {
    case "list":
      return await list(context);
    case "pull":
      return await pull(context, wordAt(context, 1, "The model's address"));
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not list or pull`);
  }
};

async function list(context: Context): Promise<void> {
  const reply = await openClient(context).models({ signal: context.world.signal });
  const { data } = reply;
  const rows = Array.isArray(data) ? data.filter(isObject) : [];
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "ID", value: field("id") },
        { title: "OWNER", value: field("owned_by") },
      ],
      rows,
      "There are no models. Fetch one: gantry models pull hf:USER/REPOSITORY",
    ),
  );
}

const field = (name: string) => (row: Readonly<Record<string, unknown>>) => {
  const value = row[name];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
};

async function pull(context: Context, uri: string): Promise<void> {
  const { world, options, isJson } = context;
  const config = readClientConfig(world.env, readText);
  const sha256 = textOption(options, "sha256");
  const look = lookOf(world.stderr, world.env);
  const isDrawn = look.isRich && !isJson;
  const { pullModel } = await import("../../runners/models.ts");
  const pulled = await pullModel(
    {
      uri,
      directory: textOption(options, "dir") ?? join(config.dataDir, "models"),
      endpoint: config.hfEndpoint,
      ...(config.hfToken === undefined ? {} : { token: config.hfToken }),
      ...(sha256 === undefined ? {} : { sha256 }),
      onProgress: ({ doneBytes, totalBytes = 0, bytesPerS, etaS }) => {
        if (!isDrawn) return;
        const share = totalBytes === 0 ? 0 : doneBytes / totalBytes;
        const notes = [formatBytes(doneBytes), `${formatBytes(bytesPerS)}/s`];
        if (etaS !== undefined) notes.push(`${formatSeconds(etaS)} left`);
        world.stderr.write(REDRAW + renderProgress(look, { label: uri, share, notes }));
      },
    },
    { clock: world.clock, random: world.random },
    world.signal,
  ).finally(() => {
    if (isDrawn) world.stderr.write(REDRAW);
  });
  show(context, pulled, () => {
    const what = pulled.wasPresent ? "was here already" : "is here";
    return cleanLine(`${pulled.name} ${what}: ${pulled.path} (${formatBytes(pulled.sizeBytes)})`);
  });
}
