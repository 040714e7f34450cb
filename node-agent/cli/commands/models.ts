// gantry models: which models the machines have, and the files of this machine: fetching, pinning,
// removing. What concerns files needs no hub; the agent sees the folder change.

import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { readClientConfig } from "@gantry/shared/contract/config.ts";
import type { ModelMachines } from "@gantry/shared/contract/schemas/models.ts";
import { badUsage, textOption } from "../args.ts";
import { type Command, type Context, readText, show, wordAt } from "../context.ts";
import { hubAccess, openClient } from "../opening.ts";
import { lookOf } from "../render/look.ts";
import { REDRAW, renderProgress } from "../render/progress.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatBytes, formatSeconds } from "../render/units.ts";

export const models: Command = async (context) => {
  const [verb = ""] = context.words;
  switch (verb) {
    case "list":
      return await list(context);
    case "pull":
      return await pull(context, wordAt(context, 1, "The model's address"));
    case "show":
      return await showOne(context, wordAt(context, 1, "The model's name"));
    case "pin":
    case "unpin":
      return await pin(context, wordAt(context, 1, "The model's name"), verb === "pin");
    case "rm":
      return await remove(context, wordAt(context, 1, "The model's name"));
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not list, pull, show, pin or rm`);
  }
};

interface Row {
  readonly name: string;
  readonly machine: string;
  readonly state: string;
  readonly memory: string;
  readonly speed: string;
  readonly work: string;
}

async function list(context: Context): Promise<void> {
  const reply = await openClient(context).modelMachines({ signal: context.world.signal });
  const rows = reply.machines.flatMap(({ name, models: told }) =>
    told.map((model) => rowOf(name, model)),
  );
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "MODEL", value: (row) => cleanLine(row.name) },
        { title: "MACHINE", value: (row) => cleanLine(row.machine) },
        { title: "STATE", value: (row) => row.state },
        { title: "MEMORY", value: (row) => row.memory, align: "right" },
        { title: "TOKENS/S", value: (row) => row.speed, align: "right" },
        { title: "RUNS+WAITS", value: (row) => row.work, align: "right" },
      ],
      rows,
      "There are no models. Fetch one: gantry models pull hf:USER/REPOSITORY",
    ),
  );
}

type Told = ModelMachines["machines"][number]["models"][number];

const rowOf = (machine: string, model: Told): Row => ({
  name: model.name,
  machine,
  state: `${STATES[model.state] ?? model.state}${model.isPinned ? ", pinned" : ""}`,
  memory:
    model.bytes === undefined ? "" : `${formatBytes(model.bytes)} ${model.device ?? ""}`.trim(),
  speed: model.tokensPerS === undefined ? "" : String(model.tokensPerS),
  work: `${model.running}+${model.waiting}`,
});

const STATES: Readonly<Record<string, string>> = { ready: "loaded", absent: "on disk" };

const folderOf = ({ options, world }: Context): string =>
  textOption(options, "dir") ?? join(readClientConfig(world.env, readText).dataDir, "models");

/** Throws bad_name, not_found. */
async function fileOf(context: Context, name: string): Promise<string> {
  if (!/^[\w.+-]+$/.test(name) || name.startsWith("."))
    throw new GantryError("bad_name", `"${name}" is no model's name`);
  const path = join(folderOf(context), `${name.replace(/\.gguf$/i, "")}.gguf`);
  const isThere = await stat(path).then(
    (status) => status.isFile(),
    () => false,
  );
  if (!isThere) throw new GantryError("not_found", `This machine has no ${path}`);
  return path;
}

async function showOne(context: Context, name: string): Promise<void> {
  const path = await fileOf(context, name);
  const { readModelFile } = await import("../../adapters/llama-file.ts");
  const file = await readModelFile(path, context.world.signal);
  const sha256 = (await readFile(`${path}.sha256`, "utf8").catch(() => "")).trim();
  const isPinned = await stat(pinOf(path)).then(
    () => true,
    () => false,
  );
  const facts = { ...file, ...(sha256 === "" ? {} : { sha256 }), isPinned };
  show(context, facts, (look) =>
    renderFacts(look, [
      ["file", cleanLine(path)],
      ["title", cleanLine(file.name ?? "")],
      ["architecture", cleanLine(file.architecture)],
      ["size", formatBytes(file.sizeBytes)],
      ["parameters", String(file.parameters)],
      ["context", file.contextTokens === undefined ? "unknown" : `${file.contextTokens} tokens`],
      ["chat template", file.hasChatTemplate ? "yes" : "no: it continues text"],
      ["sha256", sha256 === "" ? "unknown: it was not pulled" : sha256],
      ["pinned", isPinned ? "yes" : "no"],
    ]),
  );
}

const pinOf = (path: string): string => path.replace(/\.gguf$/i, ".pin");

async function pin(context: Context, name: string, isPinned: boolean): Promise<void> {
  const path = await fileOf(context, name);
  if (isPinned) await writeFile(pinOf(path), "");
  else await rm(pinOf(path), { force: true });
  const text = isPinned ? "stays in memory, whatever else is asked for" : "takes its turn again";
  show(context, { name, isPinned }, () => cleanLine(`${name} ${text}`));
}

async function remove(context: Context, name: string): Promise<void> {
  const path = await fileOf(context, name);
  const { size: sizeBytes } = await stat(path);
  for (const each of [path, pinOf(path), `${path}.sha256`]) await rm(each, { force: true });
  show(context, { name, path, sizeBytes }, () =>
    cleanLine(`${path} is gone: ${formatBytes(sizeBytes)} are free again`),
  );
}

interface Source {
  readonly uri: string;
  readonly sha256?: string;
  readonly token?: string;
}

/** A name without an address is a model of another machine: it is fetched through the hub, by its hash. */
async function sourceOf(context: Context, wanted: string): Promise<Source | undefined> {
  if (!/^[\w.+-]+$/.test(wanted)) return undefined;
  const client = openClient(context);
  const { machines } = await client.modelMachines({ signal: context.world.signal });
  const found = machines.flatMap(({ models: told }) => told).filter(({ name }) => name === wanted);
  const sha256 = found.find((model) => model.sha256 !== undefined)?.sha256;
  if (sha256 === undefined) {
    const why =
      found.length === 0 ? "is on no machine" : "is on machines that do not know its hash";
    throw new GantryError("not_found", `${wanted} ${why}; pull it by its address`);
  }
  const uri = `${client.baseUrl}/api/models/files/${sha256}/${encodeURIComponent(wanted)}.gguf`;
  const { token } = hubAccess(context);
  return { uri, sha256, ...(token === undefined ? {} : { token }) };
}

async function pull(context: Context, wanted: string): Promise<void> {
  const { world, options, isJson } = context;
  const peer = await sourceOf(context, wanted);
  const uri = peer?.uri ?? wanted;
  const config = readClientConfig(world.env, readText);
  const sha256 = textOption(options, "sha256") ?? peer?.sha256;
  const token = peer === undefined ? config.hfToken : peer.token;
  const look = lookOf(world.stderr, world.env);
  const isDrawn = look.isRich && !isJson;
  const { pullModel } = await import("../../runners/models.ts");
  const pulled = await pullModel(
    {
      uri,
      directory: folderOf(context),
      endpoint: config.hfEndpoint,
      ...(token === undefined ? {} : { token }),
      ...(sha256 === undefined ? {} : { sha256 }),
      onProgress: ({ doneBytes, totalBytes = 0, bytesPerS, etaS }) => {
        if (!isDrawn) return;
        const share = totalBytes === 0 ? 0 : doneBytes / totalBytes;
        const notes = [formatBytes(doneBytes), `${formatBytes(bytesPerS)}/s`];
        if (etaS !== undefined) notes.push(`${formatSeconds(etaS)} left`);
        world.stderr.write(REDRAW + renderProgress(look, { label: wanted, share, notes }));
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
