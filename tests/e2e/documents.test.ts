// Documents of runs through a real hub and the real command line: written, found, fetched, and there
// again after the hub was killed.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { extractText, getDocumentProxy } from "unpdf";
import { expect, it } from "vitest";
import { startAppliance, until } from "../support/appliance.ts";
import { gantry } from "../support/gantry.ts";

const GRAPH = {
  nodes: {
    facts: {
      type: "function",
      function: "value",
      with: { value: { spools: 3, low: ["red", "blue"] } },
    },
    keep: { type: "artifact", name: "facts.json", value: "${nodes.facts.output}" },
    report: {
      type: "document",
      title: "Spools of ${inputs.day}",
      author: "the shelf",
      formats: ["md", "html", "pdf", "docx"],
      content:
        "## Low\n\nThese are **low**: ${nodes.facts.output.low[0]}, ${nodes.facts.output.low[1]}.",
    },
  },
  edges: [
    { from: "facts", to: "keep" },
    { from: "keep", to: "report" },
  ],
};

it("[M29] [M30] a run writes a document; it is found by its words, downloaded, and outlives a kill of the hub", async () => {
  await using a = await startAppliance({ parts: ["hub"] });
  const dir = mkdtempSync(join(tmpdir(), "gantry-documents-"));
  try {
    const started = await a.api("POST", "/api/runs", { graph: GRAPH, inputs: { day: "Monday" } });
    expect(started.status).toBe(202);
    const { id } = started.body.run;
    const run = await until("the end of the run", async () => {
      const { body } = await a.api("GET", `/api/runs/${id}`);
      return body.state !== "running" && body;
    });
    expect([run.state, run.error]).toEqual(["done", undefined]);
    await a.kill("hub", "SIGKILL");
    await a.start("hub");
    const isReady = async (): Promise<boolean> => (await a.api("GET", "/readyz")).status === 200;
    await until("the hub again", () => isReady().catch(() => false));

    const env = { GANTRY_TOKEN: a.token, GANTRY_HTTP_HOST: a.url };
    const list = await gantry(["documents", "list", "--text", "low red", "--json"], env);
    expect(list.err).toBe("");
    const { artifacts } = JSON.parse(list.out);
    expect(artifacts).toMatchObject([{ name: "Spools of Monday", author: "the shelf", run: id }]);
    const path = join(dir, "report.pdf");
    const fetched = await gantry(
      ["documents", "download", artifacts[0].id, path, "--format", "pdf"],
      env,
    );
    expect([fetched.code, fetched.err]).toEqual([0, ""]);
    const pages = await getDocumentProxy(new Uint8Array(readFileSync(path)));
    const { text } = await extractText(pages, { mergePages: true });
    expect(text.replaceAll(/\s+/g, " ")).toContain("These are low: red, blue.");
    const again = await gantry(["documents", "download", artifacts[0].id, path], env);
    expect(again.code).not.toBe(0); // no file is written over
    const result = await a.api("GET", `/api/runs/${id}/result`);
    expect(result.body).toMatchObject({ status: "done", generatedDocuments: [{ words: 6 }] });
  } finally {
    rmSync(dir, { recursive: true });
  }
}, 120_000);
