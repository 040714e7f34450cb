import { expect, it } from "vitest";
import { makeLogger, registerSecret } from "./pino.ts";

it("writes one JSON line per fact, and never a registered secret", () => {
  const lines: string[] = [];
  registerSecret('hunter2"quoted');
  const log = makeLogger("info", { part: "bridge" }, (line) => lines.push(line));
  log.info({ token: 'hunter2"quoted', printer: "sim" }, 'opened with hunter2"quoted');
  log.debug({}, "below the level");
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain("hunter2");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    part: "bridge",
    printer: "sim",
    token: "[secret]",
    msg: "opened with [secret]",
  });
});
