// The console's built files, served from one folder and never from outside it.
//
// CO1. A path is looked up in a list made from the folder itself; what is not on it does not exist.
//      So there is nothing to traverse.
// CO2. Files under assets/ carry a hash in their name and never change; all else is asked for again.

import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { sha256 } from "@gantry/shared/base/digest.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

const FILES_MAX = 1_000;

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Gantry</title>
<h1>The console is not built</h1>
<p>The hub runs; its API is under <a href="/api/openapi.json">/api/openapi.json</a>.</p>
<p>Build the console with <code>npm run console</code>, then load this page again.</p>
</html>
`;

interface ConsoleFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly etag: string;
  readonly isHashed: boolean;
}

export interface ConsoleFiles {
  /** Answers GET and HEAD of any path that is not an API's. Undefined: there is no such file. */
  serve(path: string, ifNoneMatch: string | undefined): Promise<Response | undefined>;
}

/** Reads the folder when it is first asked for a page, so that a build made later shows up. */
export function consoleFiles(dir: string): ConsoleFiles {
  let files: ReadonlyMap<string, ConsoleFile> = new Map();

  return {
    async serve(path, ifNoneMatch) {
      if (files.size === 0) files = await load(dir);
      const index = files.get("/index.html");
      if (index === undefined) return page(NOT_BUILT, path);
      const file = files.get(path) ?? (isPage(path) ? index : undefined);
      return file === undefined ? undefined : reply(file, ifNoneMatch);
    },
  };
}

/** A route of the console: its last part has no file ending. */
const isPage = (path: string): boolean => !/\.[^/]*$/.test(path);

async function load(dir: string): Promise<ReadonlyMap<string, ConsoleFile>> {
  const files = new Map<string, ConsoleFile>();
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.slice(0, FILES_MAX)) {
    if (!entry.isFile()) continue; // no links either
    const full = join(entry.parentPath, entry.name);
    const path = `/${relative(dir, full).split(sep).join("/")}`;
    const bytes = new Uint8Array(await readFile(full));
    files.set(path, {
      bytes,
      type: TYPES[extname(entry.name)] ?? "application/octet-stream",
      etag: `"${sha256(bytes).slice(0, 32)}"`,
      isHashed: path.startsWith("/assets/"),
    });
  }
  return files;
}

function reply(file: ConsoleFile, ifNoneMatch: string | undefined): Response {
  const headers = {
    etag: file.etag,
    "cache-control": file.isHashed ? "public, max-age=31536000, immutable" : "no-cache",
  };
  if (ifNoneMatch === file.etag) return new Response(null, { status: 304, headers });
  return new Response(file.bytes, { headers: { ...headers, "content-type": file.type } });
}

function page(html: string, path: string): Response | undefined {
  if (!isPage(path)) return undefined;
  return new Response(html, {
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  });
}
