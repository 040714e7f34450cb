// Test equipment: what the suite's client scenarios run. The connection is the hub's own (client.ts); the
// answers to questions for a person are the only thing that a hub never gives.

import { env } from "node:process";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { makeEgress } from "../../adapters/egress.ts";
import { makePinnedFetch } from "../../adapters/pinned-fetch.ts";
import { connectServer } from "../client.ts";

const url = process.argv.at(-1) ?? "";
const scenario = env["MCP_CONFORMANCE_SCENARIO"] ?? "";
const { port } = new URL(url);
const egress = makeEgress([`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]);
const { signal } = new AbortController();
const asks = scenario === "elicitation-sep1034-client-defaults";
const client = asks
  ? new Client(
      { name: "gantry", version: "0.1.0" },
      { capabilities: { elicitation: { form: { applyDefaults: true } } } },
    )
  : undefined;
client?.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: {} }));

const connection = await connectServer(
  { name: "suite", url, headers: {} },
  {
    fetch: makePinnedFetch(egress, 1_000_000),
    version: "0.1.0",
    signal,
    ...(client === undefined ? {} : { client }),
  },
);
const tools = await connection.tools(signal);
for (const { name } of tools) {
  const given = name === "add_numbers" ? { a: 5, b: 3 } : {};
  await connection.call(name, given, signal);
}
await connection.close();
