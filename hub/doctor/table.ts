// Reading whole tables of a stored ledger, hot and cold rows alike, one row at a time.

import type { TableName, Tables } from "../ledger/rows.ts";
import type { OrderedStore } from "../ports.ts";

const decoder = new TextDecoder();

export const parseRow = (value: Uint8Array): unknown => JSON.parse(decoder.decode(value));

/** Hot rows first, then cold ones, each in key order. */
export async function* tableOf<T extends TableName>(
  store: OrderedStore,
  table: T,
): AsyncGenerator<readonly [id: string, row: Tables[T]]> {
  for (const heat of ["hot", "cold"]) {
    const prefix = `${heat}/${table}/`;
    for await (const [key, value] of store.entries({ gte: prefix, lt: `${heat}/${table}0` })) {
      yield [key.slice(prefix.length), parseRow(value) as Tables[T]]; // written by the ledger alone
    }
  }
}

export function rowAt<T extends TableName>(
  store: OrderedStore,
  table: T,
  id: string,
): Tables[T] | undefined {
  const value = store.getSync(`hot/${table}/${id}`) ?? store.getSync(`cold/${table}/${id}`);
  return value === undefined ? undefined : (parseRow(value) as Tables[T]);
}
