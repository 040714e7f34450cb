import { expect, it } from "vitest";
import { ROUTES } from "@gantry/shared/contract/routes.ts";
import { makeRig } from "../testing/rig.ts";

const WALL = { at: "2026-01-01T00:00:00.000Z", printers: [], waiting: 0 };

it("a token of a screen on the wall reads what the wall shows, and nothing else of the house", async () => {
  await using rig = await makeRig();
  rig.desk.on("wall", () => WALL);
  const shown = await rig.ask("GET", "/api/wall", { token: "wall-token" });
  expect(await shown.json()).toEqual(WALL);
  expect((await rig.ask("GET", "/api/wall", { token: "viewer-token" })).status).toBe(200);
  expect((await rig.ask("GET", "/api/wall")).status).toBe(401);

  const guarded = Object.entries(ROUTES).filter(
    ([name, { access }]) => access !== "public" && name !== "wall",
  );
  expect(guarded.length).toBeGreaterThan(100);
  for (const [name, { method, path }] of guarded) {
    const place = path.replaceAll(/\/:[a-zA-Z]+/g, "/x");
    const response = await rig.ask(method, place, { token: "wall-token" });
    expect([name, response.status]).toEqual([name, 403]);
  }
  expect(rig.desk.asked.every(({ route }) => route === "wall")).toBe(true);
});
