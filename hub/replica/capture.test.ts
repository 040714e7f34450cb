import { describe, expect, it } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import { makeRows, type Rows } from "../ledger/rows.ts";
import { startStateHash } from "../ledger/state-hash.ts";
import type { OrderedStore } from "../ports.ts";
import { type Captures, makeCaptures } from "./capture.ts";

const encoder = new TextEncoder();
const never = new AbortController().signal;

interface Rig {
  readonly rows: Rows;
  readonly store: OrderedStore;
  readonly captures: Captures;
  at: { index: number; position: number };
}

function makeRig(): Rig {
  const store = makeForgetfulStore();
  const rows = makeRows((key) => {
    const value = store.getSync(key);
    return value === undefined ? undefined : new TextDecoder().decode(value);
  }, []);
  const rig = { rows, store, at: { index: 0, position: 0 } };
  const captures = makeCaptures({
    rows,
    ledgerStore: store,
    clock: systemClock,
    now: () => rig.at,
  });
  return Object.assign(rig, { captures });
}

const flag = (value: number) => ({ key: "k", value, revision: 1, by: "ada", atMs: 0 });

/** As a checkpoint does it; the last step can be left out. */
async function store(rig: Rig, isEnded = true): Promise<void> {
  const changes = rig.rows.takeBatch();
  await rig.store.batch(
    changes.map(({ key, row }) =>
      row === undefined
        ? { type: "del", key }
        : { type: "put", key, value: encoder.encode(JSON.stringify(row)) },
    ),
    { sync: true },
  );
  if (isEnded) rig.rows.batchStored();
}

function hashOf(table: Readonly<Record<string, unknown>>): string {
  const hasher = startStateHash();
  for (const key of Object.keys(table).toSorted()) hasher.add(key, table[key]);
  return hasher.hex();
}

describe("the rows at one log entry", () => {
  it("are the disk's, what is on its way there, and what has changed since, as of the call (CP1)", async () => {
    const rig = makeRig();
    rig.rows.put("flag", "a", flag(1));
    rig.rows.put("flag", "b", flag(1));
    rig.rows.put("flag", "gone", flag(1));
    await store(rig);
    rig.rows.put("flag", "b", flag(2)); // on its way
    rig.rows.cool("flag", "cold", flag(7));
    await store(rig, false);
    rig.rows.put("flag", "c", flag(3)); // only in memory
    rig.rows.remove("flag", "gone");
    rig.at = { index: 5, position: 9 };
    const state = await rig.captures.at(5, never);
    rig.rows.put("flag", "a", flag(99)); // later: not in it
    rig.rows.batchStored();
    await store(rig);
    expect(state).toMatchObject({ index: 5, position: 9 });
    expect(await state.sha256(never)).toBe(
      hashOf({
        "cold/flag/cold": flag(7),
        "hot/flag/a": flag(1),
        "hot/flag/b": flag(2),
        "hot/flag/c": flag(3),
      }),
    );
  });

  it("are waited for, taken at exactly that entry, and gone when it is past", async () => {
    const rig = makeRig();
    rig.rows.put("flag", "a", flag(1));
    const waiting = rig.captures.at(2, never);
    rig.at = { index: 1, position: 1 };
    rig.captures.applied();
    rig.rows.put("flag", "a", flag(2));
    rig.at = { index: 2, position: 2 };
    rig.captures.applied();
    rig.rows.put("flag", "a", flag(3));
    expect(await (await waiting).sha256(never)).toBe(hashOf({ "hot/flag/a": flag(2) }));
    await expect(rig.captures.at(1, never)).rejects.toMatchObject({ code: "gone" });
    const jumped = rig.captures.at(4, never);
    rig.at = { index: 9, position: 9 };
    rig.captures.applied();
    await expect(jumped).rejects.toMatchObject({ code: "gone" });
    const late = rig.captures.at(10, AbortSignal.abort(new Error("late")));
    await expect(late).rejects.toThrow("late");
  });
});
