// GANTRY_MCP_SERVERS: which other MCP servers the hub uses. Nobody else can name a command or an address.
//
//   {"files": {"command": "/usr/bin/mcp-files", "args": ["/srv"], "env": {"TOKEN": "..."}},
//    "cad":   {"url": "https://cad.example.org/mcp", "headers": {"authorization": "Bearer ..."}}}

import { isAbsolute } from "node:path";
import { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";

const texts = z.record(z.string().min(1).max(200), z.string().max(10_000)).default({});

const serverSchema = z.union([
  z.strictObject({
    command: z.string().min(1).refine(isAbsolute, "must be an absolute path"),
    args: z.array(z.string().max(4_096)).max(64).default([]),
    env: texts,
  }),
  z.strictObject({ url: z.url({ protocol: /^https?$/ }), headers: texts }),
]);

const schema = z.record(
  z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, "use a-z 0-9 _ -"),
  serverSchema,
);

export type ServerConfig = { readonly name: string } & Readonly<z.output<typeof serverSchema>>;

/** Throws bad_config; what is secret in it is in no message. */
export function readServers(text: string | undefined): readonly ServerConfig[] {
  if (text === undefined || text.trim() === "") return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new GantryError("bad_config", "GANTRY_MCP_SERVERS is not JSON");
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue?.path.map(String).join(".") || "it";
    throw new GantryError("bad_config", `GANTRY_MCP_SERVERS: ${where}: ${issue?.message}`);
  }
  const servers = Object.entries(result.data).map(([name, of]) => ({ name, ...of }));
  if (servers.length > LIMIT.mcpServers.max)
    throw new GantryError("bad_config", "GANTRY_MCP_SERVERS names too many servers");
  return servers;
}

/** What must never be seen: in no log, error, result or event. */
export const secretsOf = (server: ServerConfig): readonly string[] =>
  Object.values("url" in server ? server.headers : server.env)
    .flatMap((value) => [value, value.replace(/^Bearer\s+/i, "")])
    .filter((value) => value.length >= 6)
    .toSorted((a, b) => b.length - a.length);
