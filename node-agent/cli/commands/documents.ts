// gantry documents: what runs leave behind, and documents written by hand.

import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { DOCUMENT_FORMATS, type DocumentFormat } from "@gantry/shared/contract/documents.ts";
import type { ArtifactView } from "@gantry/shared/contract/schemas/artifacts.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatBytes, formatTime } from "../render/units.ts";
import { saveAt } from "../saving.ts";

export const documents: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const id = (): string => context.words[1] ?? missing(context, "The document's id");
  const [verb = "list"] = context.words;
  switch (verb) {
    case "list":
      return await list(context);
    case "show": {
      const view = await client.artifact({ id: id(), signal });
      return show(context, view, (look) => describe(look, view));
    }
    case "download":
      return await download(context, id());
    case "write":
      return await write(context);
    case "rm": {
      const reply = await client.artifactDropped({ id: id(), signal });
      return show(context, reply, () => `${cleanLine(reply.artifact)} is off the list`);
    }
    default:
      throw badUsage(context.name, context.spec, `"${cleanLine(verb)}" is not one of its verbs`);
  }
};

function missing(context: Context, what: string): never {
  throw badUsage(context.name, context.spec, `${what} is missing`);
}

async function list(context: Context): Promise<void> {
  const { options, world } = context;
  const given = (["run", "type", "by", "text", "after"] as const).flatMap((name) => {
    const value = textOption(options, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const times = (["from", "to"] as const).flatMap((name) => {
    const value = textOption(options, name);
    if (value === undefined) return [];
    const ms = Date.parse(value);
    if (Number.isNaN(ms))
      throw badUsage(context.name, context.spec, `--${name}: "${cleanLine(value)}" is no time`);
    return [[name, new Date(ms).toISOString()] as const];
  });
  const kind = textOption(options, "kind");
  if (kind !== undefined && kind !== "document" && kind !== "value")
    throw badUsage(context.name, context.spec, "--kind is document or value");
  const page = await openClient(context).artifacts({
    query: {
      limit: intOption(options, "limit", { min: 1, max: 500 }),
      ...Object.fromEntries([...given, ...times]),
      ...(kind === undefined ? {} : { kind }),
    },
    signal: world.signal,
  });
  show(context, page, (look) => {
    const rows = table(look, page.artifacts);
    return page.next === undefined
      ? rows
      : `${rows}\nmore: gantry documents list --after ${page.next}`;
  });
}

const typeOf = ({ files, mediaType }: ArtifactView): string =>
  files === undefined ? mediaType : Object.keys(files).join(" ");

const table = (look: Look, rows: readonly ArtifactView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "NAME", value: (row) => cleanLine(row.name) },
      { title: "TYPE", value: (row) => cleanLine(typeOf(row)) },
      { title: "SIZE", value: (row) => formatBytes(row.sizeBytes), align: "right" },
      { title: "KEPT", value: (row) => formatTime(row.at) },
      { title: "RUN", value: (row) => row.run ?? "" },
    ],
    rows,
    "There are no such documents.",
  );

const describe = (look: Look, view: ArtifactView): string =>
  renderFacts(look, [
    ["id", view.id],
    ["name", cleanLine(view.name)],
    ["kind", view.kind],
    ["type", cleanLine(typeOf(view))],
    ["author", view.author],
    ["by", view.by],
    ["run", view.run],
    ["place", view.place],
    ["workflow", view.workflow],
    ["kept", formatTime(view.at)],
    ["size", formatBytes(view.sizeBytes)],
    ["words", view.words === undefined ? undefined : String(view.words)],
  ]);

const isFormat = (text: string): text is DocumentFormat =>
  DOCUMENT_FORMATS.some((format) => format === text);

/** A name that a stranger chose never decides where a file goes. */
const fileNameOf = (name: string): string =>
  cleanLine(name)
    .replaceAll(/[^\p{L}\p{N}._ -]/gu, "_")
    .replace(/^\.+/, "_")
    .slice(0, 120);

async function download(context: Context, id: string): Promise<void> {
  const { signal, cwd } = context.world;
  const client = openClient(context);
  const format = textOption(context.options, "format");
  if (format !== undefined && !isFormat(format))
    throw badUsage(context.name, context.spec, `--format is ${DOCUMENT_FORMATS.join(", ")}`);
  const view = await client.artifact({ id, signal });
  const ending = format ?? Object.keys(view.files ?? {})[0];
  const name = view.kind === "document" ? `${view.name}.${ending ?? ""}` : view.name;
  const path = resolve(cwd, context.words[2] ?? fileNameOf(name));
  if ((await stat(path).catch(() => undefined)) !== undefined)
    throw new GantryError("conflict", `${path} is there already: name another file`);
  const which = format === undefined ? { id } : { id, format };
  const sizeBytes = await saveAt(path, await client.artifactFile(which, { signal }));
  show(context, { path, sizeBytes }, () => `${path}: ${formatBytes(sizeBytes)}`);
}

async function write(context: Context): Promise<void> {
  const { options, world } = context;
  const title = textOption(options, "title") ?? missing(context, "--title TEXT");
  const formats = (textOption(options, "formats") ?? "md").split(",");
  if (!formats.every(isFormat))
    throw badUsage(context.name, context.spec, `--formats is of ${DOCUMENT_FORMATS.join(", ")}`);
  const run = textOption(options, "run");
  const path = context.words[1];
  if ((run === undefined) === (path === undefined))
    throw badUsage(context.name, context.spec, "Give a file, or --run ID");
  const author = textOption(options, "author");
  const view = await openClient(context).documentWritten({
    body: {
      title,
      formats: formats.filter(isFormat),
      ...(author === undefined ? {} : { author }),
      ...(run === undefined ? {} : { run }),
      ...(path === undefined ? {} : { markdown: await readFile(resolve(world.cwd, path), "utf8") }),
    },
    signal: world.signal,
  });
  show(context, view, (look) => describe(look, view));
}
