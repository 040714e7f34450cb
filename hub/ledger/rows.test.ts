import fc from "fast-check";
import { expect, it } from "vitest";
import { HOT_PREFIX, makeRows, type Rows } from "./rows.ts";

type Step =
  | { readonly do: "put" | "cool" | "remove"; readonly id: string; readonly value: string }
  | { readonly do: "take" | "stored" };

const id = fc.constantFrom("a", "b", "c/d");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("put", "cool", "remove"), id, value: fc.string() }),
  fc.record({ do: fc.constantFrom("take", "stored") }),
);

/** Table `order` over a disk in memory; a checkpoint is on the disk when it is said to be stored. */
function run(steps: readonly Step[]): {
  rows: Rows;
  disk: Map<string, string>;
  model: Map<string, string | undefined>;
} {
  const disk = new Map<string, string>();
  const rows = makeRows((key) => disk.get(key), []);
  const model = new Map<string, string | undefined>();
  let storing: ReturnType<Rows["takeBatch"]> | undefined;
  const settle = (): void => {
    for (const { key, row } of storing ?? []) {
      if (row === undefined) disk.delete(key);
      else disk.set(key, JSON.stringify(row));
    }
    if (storing !== undefined) rows.batchStored();
    storing = undefined;
  };
  for (const each of steps) {
    if (!("id" in each)) {
      if (each.do === "stored") settle();
      else storing ??= rows.takeBatch();
    } else {
      const isHot = rows.hot("order").has(each.id);
      if (each.do === "put" && !isHot && model.get(each.id) !== undefined)
        rows.remove("order", each.id); // W2
      if (each.do === "remove") rows.remove("order", each.id);
      else rows[each.do]("order", each.id, each.value);
      model.set(each.id, each.do === "remove" ? undefined : each.value);
    }
    for (const [key, value] of model) expect(rows.get("order", key)).toBe(value); // W1
  }
  settle();
  storing = rows.takeBatch();
  settle();
  return { rows, disk, model };
}

it("reads what was written last, and the disk has the same after a checkpoint (W1, W2, W3)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { rows, disk, model } = run(steps);
      const hot = [...disk].filter(([key]) => key.startsWith(HOT_PREFIX));
      const again = makeRows(
        (key) => disk.get(key),
        hot.map(([key, text]) => [key, JSON.parse(text)] as const),
      );
      expect(rows.dirtyCount).toBe(0);
      expect(new Map(again.hot("order"))).toEqual(new Map(rows.hot("order")));
      for (const [key, value] of model) expect(again.get("order", key)).toBe(value);
      for (const [key, value] of model)
        expect([...disk.keys()].filter((each) => each.endsWith(`/${key}`))).toHaveLength(
          value === undefined ? 0 : 1,
        );
    }),
  );
});

it("a hot row that comes and goes between two checkpoints is nothing to the disk", () => {
  const rows = makeRows(() => undefined, []);
  rows.put("order", "a", "1");
  rows.remove("order", "a");
  expect([rows.dirtyCount, rows.takeBatch()]).toEqual([0, []]);
  rows.batchStored();
  rows.put("order", "a", "1");
  rows.takeBatch();
  rows.remove("order", "a"); // it is on its way to the disk
  rows.batchStored();
  expect(rows.takeBatch()).toEqual([{ key: "hot/order/a", row: undefined }]);
});
