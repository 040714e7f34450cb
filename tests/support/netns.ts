// Test equipment: hosts of their own for hubs on one machine, as network namespaces around one bridge.
// Needs root and iproute2, and a Linux kernel with bridge and veth.
//
//   namespace PREFIX1..N  eth0  10.77.0.I    between the hubs; every direction of every pair can be cut
//                         ctl0  10.B.C.x/30  to the test itself, never cut: a cut-off hub is still asked
//
// NS1. A cut is silent: the neighbour entry of the other host names a MAC that nobody has, so frames
//      vanish without an error, of open TCP connections too, in one direction at a time.
// NS2. All names carry a random prefix, so several runs stand side by side; what one run made is gone
//      after it, and what runs that were killed have left is gone with the next one.

import { execFile, execFileSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";

export interface Host {
  /** From 1. */
  readonly number: number;
  readonly namespace: string;
  /** Between the hosts. */
  readonly address: string;
  /** From the test, whatever is cut. */
  readonly controlAddress: string;
}

/** Numbers of hosts, from 1. All changes are in force when the promise resolves. */
export interface Hosts extends AsyncDisposable {
  readonly hosts: readonly Host[];
  /** Puts a command into a host: `[program, ...arguments]`. */
  inside(host: number, command: readonly string[]): readonly string[];
  /** Frames from `source` to `target` vanish; the other way they arrive. */
  cutOneWay(source: number, target: number): Promise<void>;
  cut(one: number, other: number): Promise<void>;
  isolate(host: number): Promise<void>;
  /** Nobody of one side reaches anybody of the other. */
  split(oneSide: readonly number[], otherSide: readonly number[]): Promise<void>;
  heal(): Promise<void>;
}

const NOBODY = "02:77:ff:ff:ff:ff";
const macOf = (host: number): string => `02:77:00:00:00:${host.toString(16).padStart(2, "0")}`;
const addressOf = (host: number): string => `10.77.0.${host}`;

let missing: string | undefined;
let isLookedFor = false;

/** What is missing for namespaces on this machine; undefined: nothing. */
export function missingForHosts(): string | undefined {
  if (isLookedFor) return missing;
  isLookedFor = true;
  missing = lookForMissing();
  return missing;
}

function lookForMissing(): string | undefined {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const name = `gtry${process.pid}`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "pipe" });
  } catch (error) {
    return `"ip netns add" fails here: ${wordsOf(error)}`;
  }
  try {
    execFileSync("ip", ["-n", name, "link", "add", "br0", "type", "bridge"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `this kernel has no bridge: ${wordsOf(error)}`;
  } finally {
    execFileSync("ip", ["netns", "del", name], { stdio: "pipe" });
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? (error.message.trim().split("\n").at(-1) ?? "") : String(error);

export async function startHosts(count: number): Promise<Hosts> {
  await sweep();
  const prefix = `gn${process.pid.toString(36)}x${randomBytes(2).toString("hex")}`;
  const middle = `${prefix}s`;
  const net = `10.${randomInt(128, 250)}.${randomInt(0, 256)}`;
  const hosts = Array.from({ length: count }, (_, index): Host => {
    const number = index + 1;
    return {
      number,
      namespace: `${prefix}${number}`,
      address: addressOf(number),
      controlAddress: `${net}.${4 * number + 2}`,
    };
  });
  const all = hosts.map(({ number }) => number);
  const pairs = all.flatMap((source) =>
    all.filter((target) => target !== source).map((target) => ({ source, target })),
  );

  /** `isCut(source, target)` for every direction; one call of ip for each host, all at once. */
  async function set(
    isCut: (source: number, target: number) => boolean | undefined,
  ): Promise<void> {
    await Promise.all(
      hosts.map(async ({ number, namespace }) => {
        const lines = all
          .filter((target) => target !== number && isCut(number, target) !== undefined)
          .map((target) => {
            const mac = isCut(number, target) === true ? NOBODY : macOf(target); // NS1
            return `neigh replace ${addressOf(target)} lladdr ${mac} dev eth0 nud permanent`;
          });
        if (lines.length > 0) await ip(["-n", namespace], lines);
      }),
    );
  }

  const close = async (): Promise<void> => {
    for (const name of [...hosts.map(({ namespace }) => namespace), middle]) await remove(name);
  };

  try {
    await ip(
      [],
      [middle, ...hosts.map(({ namespace }) => namespace)].map((name) => `netns add ${name}`),
    );
    await ip(["-n", middle], ["link add br0 type bridge", "link set br0 up"]);
    for (const { number, namespace, address, controlAddress } of hosts) {
      const control = `${prefix}c${number}`;
      await ip(
        [],
        [
          `link add name eth0 netns ${namespace} address ${macOf(number)} type veth peer name p${number} netns ${middle}`,
          `link add name ctl0 netns ${namespace} type veth peer name ${control}`,
          `addr add ${net}.${4 * number + 1}/30 dev ${control}`,
          `link set ${control} up`,
        ],
      );
      await ip(["-n", middle], [`link set p${number} master br0 up`]);
      await ip(
        ["-n", namespace],
        [
          "link set lo up",
          `addr add ${address}/24 dev eth0`,
          "link set eth0 up",
          `addr add ${controlAddress}/30 dev ctl0`,
          "link set ctl0 up",
        ],
      );
    }
    await set(() => false);
  } catch (error) {
    await close();
    throw error;
  }

  const cutAll = (directions: readonly { source: number; target: number }[]): Promise<void> =>
    set((source, target) =>
      directions.some((each) => each.source === source && each.target === target)
        ? true
        : undefined,
    );

  return {
    hosts,
    inside: (host, command) => ["ip", "netns", "exec", `${prefix}${host}`, ...command],
    cutOneWay: (source, target) => cutAll([{ source, target }]),
    cut: (one, other) =>
      cutAll([
        { source: one, target: other },
        { source: other, target: one },
      ]),
    isolate: (host) =>
      cutAll(pairs.filter(({ source, target }) => source === host || target === host)),
    split: (oneSide, otherSide) =>
      cutAll(
        pairs.filter(
          ({ source, target }) =>
            (oneSide.includes(source) && otherSide.includes(target)) ||
            (oneSide.includes(target) && otherSide.includes(source)),
        ),
      ),
    heal: () => set(() => false),
    [Symbol.asyncDispose]: close,
  };
}

/** NS2: namespaces of test processes that are no more. */
async function sweep(): Promise<void> {
  const listed = await output("ip", ["netns", "list"]);
  for (const line of listed.split("\n")) {
    const [name = ""] = line.split(" ");
    const pid = /^gn([0-9a-z]+)x[0-9a-f]{4}(?:\d+|s)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number.parseInt(pid, 36))) await remove(name);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** With the processes that are left in it: they were started there by a test. */
async function remove(name: string): Promise<void> {
  const pids = await output("ip", ["netns", "pids", name]).catch(() => "");
  for (const pid of pids.split("\n").filter((line) => /^\d+$/.test(line))) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // it had ended already
    }
  }
  await output("ip", ["netns", "del", name]).catch(() => {});
}

const ip = (before: readonly string[], lines: readonly string[]): Promise<string> =>
  output("ip", [...before, "-batch", "-"], `${lines.join("\n")}\n`);

function output(program: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(" ")}: ${stderr.trim()}`, { cause: error }));
    });
    child.stdin?.on("error", () => {}); // it ended without reading
    child.stdin?.end(input);
  });
}
