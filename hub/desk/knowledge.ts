// Use cases: folders whose documents are known.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { KnowledgeRow } from "@gantry/shared/contract/memory.ts";
import type { KnowledgeView } from "@gantry/shared/contract/schemas/memory.ts";
import type { Knowledge } from "../hands/knowledge.ts";
import { act, type Hub, newId } from "../hub.ts";
import type { DeskRequest } from "../ports.ts";
import { byOf, pageOf, paramOf, type UseCase } from "./context.ts";
import { isoTime } from "./views.ts";

export function knowledgeUseCases(
  knowledge: Knowledge | undefined,
): Partial<Record<RouteName, UseCase>> {
  if (knowledge === undefined) return {};
  return {
    knowledge: ({ hub }) => ({
      knowledge: [...hub.rows.hot("knowledge").values()]
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((row) => knowledgeView(hub, row)),
    }),
    async knowledgeAdded({ hub }, request, { signal }) {
      const { name, folder } = request.body as { name: string; folder: string };
      const real = await knowledge.checkFolder(folder);
      const id = newId(hub, "kno");
      const body = { type: "knowledgeAdded" as const, knowledge: id, name, folder: real };
      await act(hub, body, byOf(request), signal);
      await knowledge.refresh(id, withoutReplay(request), signal);
      return knowledgeView(hub, rowOf(hub, id));
    },
    async knowledgeSearched(_, request, { signal }) {
      const { q, limit } = request.query as { q: string; limit: number };
      const found = await knowledge.search(q, limit, signal);
      return {
        hits: found.map(({ document, chunk, likeness }) => ({
          path: document.path,
          knowledge: document.knowledge,
          title: document.title,
          headings: [...chunk.headings],
          line: chunk.line,
          text: chunk.text,
          version: document.version,
          ...(likeness === undefined ? {} : { likeness: Math.round(likeness * 1_000) / 1_000 }),
        })),
      };
    },
    knowledgeDocuments({ hub }, request) {
      const row = rowOf(hub, paramOf(request, "id"));
      const all = documentsOf(hub, row.id).toSorted((a, b) => (a.path > b.path ? -1 : 1));
      const { items, next } = pageOf(request, all.length, (place) => all[place]);
      const list = items.map(({ path, title, format, sizeBytes, version, atMs }) => ({
        path,
        title,
        format,
        sizeBytes,
        version,
        at: isoTime(atMs),
      }));
      return { ...knowledgeView(hub, row), list, ...(next === undefined ? {} : { next }) };
    },
    knowledgeRefreshed: ({ hub }, request, { signal }) =>
      knowledge.refresh(rowOf(hub, paramOf(request, "id")).id, byOf(request), signal),
    async knowledgeRemoved({ hub }, request, { signal }) {
      const { id } = rowOf(hub, paramOf(request, "id"));
      await act(hub, { type: "knowledgeRemoved", knowledge: id }, byOf(request), signal);
      return { ok: true };
    },
  };
}

/** The key was used for the first command of the two. */
function withoutReplay(request: DeskRequest): ReturnType<typeof byOf> {
  const { replay: _, session: __, ...by } = byOf(request);
  return by;
}

/** By its id or its name. */
function rowOf({ rows }: Hub, id: string): KnowledgeRow {
  const all = [...rows.hot("knowledge").values()];
  const row = rows.hot("knowledge").get(id) ?? all.find(({ name }) => name === id);
  if (row === undefined) throw new GantryError("not_found", `There is no knowledge ${id}`);
  return row;
}

const documentsOf = ({ rows }: Hub, knowledge: string) =>
  [...rows.hot("document").values()].filter((row) => row.knowledge === knowledge);

function knowledgeView(hub: Hub, row: KnowledgeRow): KnowledgeView {
  const { id, name, folder, by, version, refreshedAtMs, faults } = row;
  return {
    id,
    name,
    folder,
    by,
    version,
    documents: documentsOf(hub, id).length,
    ...(refreshedAtMs === undefined ? {} : { refreshedAt: isoTime(refreshedAtMs) }),
    faults: faults.map(({ path, error }) => ({ path, error: { ...error } })),
  };
}
