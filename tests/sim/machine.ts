// The state machine of the simulated cluster: registers, locks with fencing tokens, and sessions that
// give a repeated request its first answer. Small on purpose: what is tried is the log below it.

export interface Command {
  readonly id: number;
  readonly client: number;
  readonly sequence: number;
  readonly op: "put" | "cas" | "del" | "acquire";
  readonly key: string;
  readonly value: string;
  /** Of a cas; undefined: only if there is nothing. */
  readonly old?: string | undefined;
}

export type Result =
  | { readonly kind: "done" }
  | { readonly kind: "swapped"; readonly swapped: boolean }
  | { readonly kind: "token"; readonly token: number };

export interface Machine {
  /** Index of the last entry in it. */
  index: number;
  /** Of every entry in it, in order. */
  hash: number;
  readonly values: Map<string, string>;
  readonly sessions: Map<number, { readonly sequence: number; readonly result: Result }>;
}

export const emptyMachine = (): Machine => ({
  index: 0,
  hash: 1,
  values: new Map(),
  sessions: new Map(),
});

export const copyOf = (machine: Machine): Machine => ({
  index: machine.index,
  hash: machine.hash,
  values: new Map(machine.values),
  sessions: new Map(machine.sessions),
});

/** Undefined for a request that its client has already given up. */
export function applyCommand(
  machine: Machine,
  command: Command,
  index: number,
): Result | undefined {
  const session = machine.sessions.get(command.client);
  if (session !== undefined && session.sequence >= command.sequence) {
    return session.sequence === command.sequence ? session.result : undefined;
  }
  const result = perform(machine.values, command, index);
  machine.sessions.set(command.client, { sequence: command.sequence, result });
  return result;
}

function perform(values: Map<string, string>, command: Command, index: number): Result {
  const { op, key, value, old } = command;
  switch (op) {
    case "put":
      values.set(key, value);
      return { kind: "done" };
    case "del":
      values.delete(key);
      return { kind: "done" };
    case "cas": {
      const swapped = values.get(key) === old;
      if (swapped) values.set(key, value);
      return { kind: "swapped", swapped };
    }
    case "acquire":
      values.set(key, value);
      return { kind: "token", token: index };
  }
}

/** Two machines with one hash have seen the same entries, with the same results, in the same order. */
export function mixEntry(
  machine: Machine,
  index: number,
  term: number,
  what: number,
  result: Result | undefined,
): void {
  let mixed = Math.imul(machine.hash ^ index, 0x9e3779b1) ^ Math.imul(term, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) ^ Math.imul(what + 7, 0x27d4eb2f);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x9e3779b1) + codeOf(result);
  machine.hash = mixed ^ (mixed >>> 16);
}

function codeOf(result: Result | undefined): number {
  if (result === undefined) return 0;
  if (result.kind === "swapped") return result.swapped ? 2 : 3;
  return result.kind === "done" ? 1 : 4 + result.token;
}
