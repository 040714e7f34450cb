// A run's result as a document: nested values become headings, lists, tables and text, in the order in
// which a reader wants them: what came out, what was drawn together, who said what, what there is.
//
// SE1. Headings go six deep; what is nested further is shown as JSON, so no value is left out.

import type { Block, Span } from "@gantry/shared/contract/documents.ts";
import type {
  AgentResult,
  ArtifactView,
  RunResult,
} from "@gantry/shared/contract/schemas/artifacts.ts";
import { readMarkdown } from "./read-markdown.ts";

type Value = unknown;
const LEVEL_MAX = 6;
const COLUMNS_MAX = 12;

const heading = (level: number, text: string): Block => ({
  kind: "heading",
  level: Math.min(level, LEVEL_MAX),
  text: [{ text }],
});
const paragraph = (...text: Span[]): Block => ({ kind: "paragraph", text });

/** The whole of it, in order. */
export function contentSections(result: RunResult): readonly Block[] {
  const { finalSynthesis, synthesisResults, agentResults, generatedDocuments, artifacts } = result;
  return [
    ...section("Result", finalSynthesis === undefined ? [] : valueBlocks(finalSynthesis, 3)),
    ...section(
      "Fault",
      result.error === undefined
        ? []
        : [
            paragraph(
              { text: result.error.code, code: true },
              { text: ` ${result.error.message}` },
            ),
          ],
    ),
    ...section("Syntheses", synthesisResults.flatMap(agentBlocks)),
    ...section("Agents", agentResults.flatMap(agentBlocks)),
    ...section("Documents", filesTable(generatedDocuments)),
    ...section("Artifacts", filesTable(artifacts)),
    ...section("About this run", [factsTable(result)]),
  ];
}

const section = (title: string, blocks: readonly Block[]): readonly Block[] =>
  blocks.length === 0 ? [] : [heading(2, title), ...blocks];

function agentBlocks(agent: AgentResult): readonly Block[] {
  const { title, place, status, output, error, costUsd, promptTokens, completionTokens } = agent;
  const took = agent.tookMs === undefined ? "" : `, ${Math.round(agent.tookMs)} ms`;
  const facts = `${place}: ${status}${took}, ${promptTokens + completionTokens} tokens, ${costUsd} USD`;
  return [
    heading(3, title),
    paragraph({ text: facts, italic: true }),
    ...(output === undefined ? [] : valueBlocks(said(output), 4)),
    ...(error === undefined ? [] : [paragraph({ text: `${error.code}: ${error.message}` })]),
  ];
}

/** What a model says without a schema is `{text}`. */
function said(output: Value): Value {
  if (typeof output !== "object" || output === null || !("text" in output)) return output;
  return Object.keys(output).length === 1 ? output.text : output;
}

const filesTable = (list: readonly ArtifactView[]): readonly Block[] =>
  list.length === 0
    ? []
    : [
        {
          kind: "table",
          head: ["Name", "Type", "Bytes", "Id"],
          rows: list.map(({ name, mediaType, sizeBytes, files, id }) => [
            name,
            files === undefined ? mediaType : Object.keys(files).join(", "),
            String(sizeBytes),
            id,
          ]),
        },
      ];

function factsTable({ taskId, title, status, metadata, ...result }: RunResult): Block {
  const rows = [
    ["Run", taskId],
    ["Workflow", title],
    ["State", status],
    ["Started by", metadata.by],
    ["Started", metadata.startedAt],
    ["Ended", metadata.endedAt ?? ""],
    ["Took", `${result.executionTimeMs} ms`],
    ["Tokens", `${result.totalPromptTokens} in, ${result.totalCompletionTokens} out`],
    ["Cost", `${result.totalCostUsd} USD`],
  ].filter(([, value]) => value !== "");
  return { kind: "table", head: ["", ""], rows };
}

/** Any JSON. Text is read as Markdown, and its headings go below those around it. */
export function valueBlocks(value: Value, level: number): readonly Block[] {
  if (value === null || value === undefined) return [paragraph({ text: "nothing" })];
  if (typeof value === "string") return lowered(readMarkdown(value), level);
  if (typeof value !== "object") return [paragraph({ text: JSON.stringify(value) })];
  if (level > LEVEL_MAX)
    return [{ kind: "code", language: "json", text: JSON.stringify(value, null, 2) }]; // SE1
  return Array.isArray(value) ? listBlocks(value, level) : objectBlocks(value, level);
}

const lowered = (blocks: readonly Block[], level: number): readonly Block[] =>
  blocks.map((block) =>
    block.kind === "heading"
      ? { ...block, level: Math.min(LEVEL_MAX, block.level + level - 1) }
      : block,
  );

const isPlain = (value: Value): boolean => typeof value !== "object" || value === null;
const plainText = (value: Value): string =>
  value === null || value === undefined
    ? ""
    : typeof value === "string"
      ? value
      : JSON.stringify(value);

function listBlocks(list: readonly Value[], level: number): readonly Block[] {
  if (list.length === 0) return [paragraph({ text: "nothing" })];
  if (list.every(isPlain)) {
    const items = list.map((item) => [{ text: plainText(item) }]);
    return [{ kind: "list", ordered: false, items }];
  }
  return (
    tableOf(list) ??
    list.flatMap((item, at) => [heading(level, `${at + 1}`), ...valueBlocks(item, level + 1)])
  );
}

/** Objects of plain values with few names among them. */
function tableOf(list: readonly Value[]): readonly Block[] | undefined {
  const names = new Set<string>();
  for (const item of list) {
    if (isPlain(item) || Array.isArray(item) || item === null || typeof item !== "object")
      return undefined;
    for (const [name, value] of Object.entries(item)) {
      if (!isPlain(value) || names.size > COLUMNS_MAX) return undefined;
      names.add(name);
    }
  }
  if (names.size === 0 || names.size > COLUMNS_MAX) return undefined;
  const head = [...names];
  const rows = (list as readonly Readonly<Record<string, Value>>[]).map((item) =>
    head.map((name) => plainText(Object.hasOwn(item, name) ? item[name] : "")),
  ); // each was seen to be an object above
  return [{ kind: "table", head, rows }];
}

function objectBlocks(object: object, level: number): readonly Block[] {
  const entries = Object.entries(object) as [string, Value][];
  if (entries.length === 0) return [paragraph({ text: "nothing" })];
  const plain = entries.filter(([, value]) => isPlain(value) && !isLong(value));
  const rest = entries.filter(([, value]) => !isPlain(value) || isLong(value));
  const items = plain.map(([name, value]): Span[] => [
    { text: name, bold: true },
    { text: `: ${plainText(value)}` },
  ]);
  return [
    ...(items.length === 0 ? [] : [{ kind: "list" as const, ordered: false, items }]),
    ...rest.flatMap(([name, value]) => [heading(level, name), ...valueBlocks(value, level + 1)]),
  ];
}

const isLong = (value: Value): boolean =>
  typeof value === "string" && (value.length > 200 || value.includes("\n"));
