import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeRig, type Rig } from "./testing/rig.ts";

async function makeBuilt(): Promise<Rig> {
  const rig = await makeRig();
  const dir = join(rig.dir, "console");
  await mkdir(join(dir, "assets"), { recursive: true });
  await writeFile(join(dir, "index.html"), "<title>console</title>");
  await writeFile(join(dir, "assets", "app-4f2a.js"), "export {};");
  await writeFile(join(dir, "icon.svg"), "<svg/>");
  await writeFile(join(rig.dir, "secret.txt"), "secret");
  await symlink(join(rig.dir, "secret.txt"), join(dir, "assets", "link.txt"));
  return rig;
}

describe("the console's files", () => {
  it("says how to build them when there are none, and serves them once there are", async () => {
    await using rig = await makeRig();
    const page = await rig.ask("GET", "/");
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("npm run console");
    await mkdir(join(rig.dir, "console"));
    await writeFile(join(rig.dir, "console", "index.html"), "built");
    expect(await (await rig.ask("GET", "/")).text()).toBe("built");
  });

  it.each(["/", "/prints/prt_1", "/settings"])("gives the page at %s", async (path) => {
    await using rig = await makeBuilt();
    const response = await rig.ask("GET", path);
    expect(await response.text()).toBe("<title>console</title>");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-cache");
  });

  it("lets hashed files be kept for ever and asks for the others by ETag", async () => {
    await using rig = await makeBuilt();
    const hashed = await rig.ask("GET", "/assets/app-4f2a.js");
    expect(hashed.headers.get("cache-control")).toContain("immutable");
    expect(hashed.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    const etag = (await rig.ask("GET", "/icon.svg")).headers.get("etag") ?? "";
    const again = await rig.ask("GET", "/icon.svg", { headers: { "if-none-match": etag } });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    const head = await rig.ask("HEAD", "/icon.svg");
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it.each([
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets/..%5c..%5csecret.txt",
    "/%00secret.txt",
    "//etc/passwd.txt",
    "/assets/link.txt",
    "/assets/gone.js",
  ])("has nothing at %s", async (path) => {
    await using rig = await makeBuilt();
    const { port } = await rig.serve();
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    expect(await response.text()).not.toContain("secret\n");
    expect(response.status).toBe(404);
  });

  it("answers only GET and HEAD, and never for the API", async () => {
    await using rig = await makeBuilt();
    expect((await rig.ask("POST", "/")).status).toBe(404);
    expect((await rig.ask("GET", "/api/nope")).status).toBe(404);
    expect((await rig.ask("GET", "/v1/nope")).status).toBe(404);
  });
});
