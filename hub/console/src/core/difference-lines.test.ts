import { expect, it } from "vitest";
import { differenceLines } from "./difference-lines.ts";

it("[A64] nodes, their fields and edges become lines with what happened to each", () => {
  const lines = differenceLines({
    nodes: [
      { id: "mail", type: "http", change: "added", fields: [{ field: "url", after: "https://x" }] },
      { id: "old", type: "timer", change: "removed", fields: [{ field: "delayMs", before: 1 }] },
      {
        id: "ask",
        type: "approval",
        change: "changed",
        fields: [
          { field: "question", before: "A?", after: "B?" },
          { field: "waitMs", before: 5 },
        ],
      },
    ],
    edges: [{ change: "added", from: "ask", to: "mail", on: "approved" }],
    output: { field: "output", after: "x".repeat(500) },
  });
  expect(lines.slice(0, -1).map(({ change, depth, text }) => `${change} ${depth} ${text}`)).toEqual(
    [
      "added 0 node mail (http)",
      'added 1 url: "https://x"',
      "removed 0 node old (timer)",
      "changed 0 node ask (approval)",
      'changed 1 question: "A?" → "B?"',
      "removed 1 waitMs: 5",
      "added 0 edge ask → mail (approved)",
    ],
  );
  expect(lines.at(-1)?.text.length).toBeLessThan(250);
});
