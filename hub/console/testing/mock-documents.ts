// Canned documents and artifacts of the mock hub.

import type { ArtifactView } from "@gantry/shared/contract/schemas/artifacts.ts";

const file = (sizeBytes: number): { sha256: string; sizeBytes: number } => ({
  sha256: "c".repeat(64),
  sizeBytes,
});

const ALL: readonly ArtifactView[] = [
  {
    id: "art_week",
    kind: "document",
    name: "Workshop, week 47",
    mediaType: "text/markdown; charset=utf-8",
    by: "mara",
    author: "council",
    run: "run_orders",
    place: "report",
    workflow: "orders",
    at: "2026-11-21T09:30:00.000Z",
    sizeBytes: 84_112,
    words: 1_204,
    files: { md: file(7_310), pdf: file(61_802), docx: file(15_000) },
  },
  {
    id: "art_note",
    kind: "document",
    name: "Filament that ran out",
    mediaType: "text/markdown; charset=utf-8",
    by: "jon",
    at: "2026-11-20T17:05:00.000Z",
    sizeBytes: 912,
    words: 140,
    files: { md: file(912) },
  },
  {
    id: "art_facts",
    kind: "value",
    name: "quote.json",
    mediaType: "application/json",
    by: "mara",
    run: "run_orders",
    place: "quote",
    workflow: "orders",
    at: "2026-11-21T09:29:00.000Z",
    sizeBytes: 311,
  },
];

export const readArtifacts = (query: URLSearchParams): { artifacts: readonly ArtifactView[] } => ({
  artifacts: ALL.filter(
    ({ kind, name, run }) =>
      kind === query.get("kind") &&
      name.toLowerCase().includes((query.get("text") ?? "").toLowerCase()) &&
      (query.get("run") ?? run) === run,
  ),
});
