import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { makeKnowledgeFiles } from "./knowledge-files.ts";

let root: string;
let files: ReturnType<typeof makeKnowledgeFiles>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "gantry-knowledge-"));
  files = makeKnowledgeFiles([join(root, "open")]);
  await mkdir(join(root, "open", "sub", ".git"), { recursive: true });
  await mkdir(join(root, "closed"));
  await writeFile(join(root, "closed", "secret.md"), "secret");
  await writeFile(join(root, "open", "a.md"), "# A");
  await writeFile(join(root, "open", "sub", "b.TXT"), "b");
  await writeFile(join(root, "open", "sub", ".git", "c.md"), "c");
  await writeFile(join(root, "open", "d.exe"), "d");
  await symlink(join(root, "closed", "secret.md"), join(root, "open", "link.md"));
  await symlink(join(root, "closed"), join(root, "open", "folder"));
});
afterAll(() => rm(root, { recursive: true }));

it("KF1: reads below the named folders alone, and follows no link out of them", async () => {
  const open = await files.folder(join(root, "open"));
  expect(await files.list(open)).toEqual([
    { path: "a.md", format: "markdown" },
    { path: "sub/b.TXT", format: "text" },
  ]);
  for (const path of ["closed", "open/../closed", "open/folder"])
    await expect(files.folder(join(root, path))).rejects.toMatchObject({ code: "forbidden" });
  for (const path of ["link.md", "folder/secret.md", "../closed/secret.md"])
    await expect(files.read(open, { path, format: "markdown" }, undefined)).rejects.toMatchObject({
      code: "forbidden",
    });
  await expect(files.folder(join(root, "none"))).rejects.toMatchObject({ code: "not_found" });
  await expect(makeKnowledgeFiles([]).folder(open)).rejects.toMatchObject({ code: "forbidden" });
});

it("gives the text once, and only the hash where it is known", async () => {
  const open = join(root, "open");
  const first = await files.read(open, { path: "a.md", format: "markdown" }, undefined);
  expect(first).toMatchObject({ text: "# A", sizeBytes: 3 });
  const again = await files.read(open, { path: "a.md", format: "markdown" }, first.sha256);
  expect(again).not.toHaveProperty("text");
});

it("KF2: refuses what is too large, what is no text, and what is no PDF", async () => {
  const open = join(root, "open");
  await writeFile(join(open, "large.txt"), Buffer.alloc(LIMIT.knowledgeFileBytes.max + 1));
  await writeFile(join(open, "bytes.txt"), Uint8Array.of(0xff, 0xfe));
  await writeFile(join(open, "bad.pdf"), "%PDF-1.7 and nothing more");
  const read = (path: string, format: "text" | "pdf") =>
    files.read(open, { path, format }, undefined);
  await expect(read("large.txt", "text")).rejects.toMatchObject({ code: "too_large" });
  await expect(read("bytes.txt", "text")).rejects.toMatchObject({ code: "bad_request" });
  await expect(read("bad.pdf", "pdf")).rejects.toMatchObject({ code: "bad_request" });
});

it("reads the text of a PDF file, in a worker", async () => {
  const pdf = await import("pdfkit");
  const document = new pdf.default();
  const pieces: Buffer[] = [];
  document.on("data", (piece: Buffer) => pieces.push(piece));
  const done = new Promise((resolve) => document.on("end", resolve));
  document.text("Dry nylon for twelve hours.");
  document.end();
  await done;
  await writeFile(join(root, "open", "dryer.pdf"), Buffer.concat(pieces));
  const read = await files.read(
    join(root, "open"),
    { path: "dryer.pdf", format: "pdf" },
    undefined,
  );
  expect(read.text).toContain("Dry nylon for twelve hours.");
}, 60_000);
