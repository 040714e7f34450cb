// Rules over the text of the whole house that no compiler sees.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const TEST = /\.test\.|\/testing\/|test\.support|^tests\/|^bench\/|rig\.ts$/;

const tracked = (): readonly string[] =>
  execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).trim().split("\n");
const sources = (): readonly string[] =>
  tracked().filter(
    (path) => /^(shared|hub|node-agent|firmware-bridge)\/.*\.tsx?$/.test(path) && !TEST.test(path),
  );

/** `path:line` of every code line (comments aside) that matches. */
function linesWith(pattern: RegExp, paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) =>
    readFileSync(join(root, path), "utf8")
      .split("\n")
      .flatMap((line, index) =>
        !/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line) ? [`${path}:${index + 1}`] : [],
      ),
  );
}

describe("the whole house", () => {
  it("[D5] names its default ports and addresses in one file", () => {
    const found = linesWith(/["'`:](8080|7700|7701|1883)\b|tcp:\/\/127/, sources());
    // Examples in messages to people.
    const examples = [
      "hub/cluster/reshape.ts",
      "hub/console/src/pages/cluster.tsx",
      "node-agent/cli/opening.ts",
    ];
    const files = found.map((place) => place.split(":")[0] ?? "");
    expect(files.filter((file) => file !== "shared/contract/variables.ts")).toEqual(examples);
  });

  it("[D7] has one retry loop and calls out only from adapters and the client", () => {
    const allowed = [
      "shared/client/",
      ...["camera", "discover", "download", "switches"].map(
        (name) => `node-agent/adapters/${name}.ts`,
      ),
      "hub/console/src/",
    ];
    const found = linesWith(/(?<![.\w])fetch\(/, sources());
    expect(
      found.filter(
        (place) =>
          !allowed.some((prefix) => place.startsWith(prefix)) &&
          // Pieces of blobs and snapshots, over ZeroMQ.
          !/blob-fetch|agent\/ports|agent\/prints|hub\/adapters\/peer-|cluster\/network|hub\/ports/.test(
            place,
          ),
      ),
    ).toEqual([]);
    // Every wait goes through the Clock, so no loop can retry by a timer of its own. The exceptions are
    // a process under test, one in a model's child, which flushes what it has said, one that closes the
    // pipe of such a child after its end, one that measures how late the loop itself is, one that
    // gathers writes of a mark nobody waits for, and one that tells systemd that the loop turns.
    const timers = linesWith(/(?<!\.)\bset(Timeout|Interval)\(/, sources()).map(
      (place) => place.split(":")[0],
    );
    expect(new Set(timers.filter((path) => path?.startsWith("hub/console/") === false))).toEqual(
      new Set([
        "shared/flow/clock.ts",
        "shared/adapters/service-manager.ts",
        "hub/adapters/tail-mark.ts",
        "hub/roots/pulse.ts",
        "node-agent/adapters/llama-process.ts",
        "node-agent/runners/llama-child.ts",
        "firmware-bridge/simulator/main.ts",
      ]),
    );
  });

  it("has no download address in the lock file", () => {
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    expect(lock).not.toMatch(/"resolved": "http/);
  });

  it("[D14] holds no private key and no token outside test equipment", () => {
    const paths = tracked().filter(
      (path) => !TEST.test(path) && /\.(ts|js|json|md|yml|service|env)$/.test(path),
    );
    expect(linesWith(/BEGIN [A-Z ]*PRIVATE KEY|gt_[A-Za-z0-9]{40}/, paths)).toEqual([]);
  });
});
