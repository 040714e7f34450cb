// Runs a program on files of strangers: with no environment, a folder of its own that is gone
// afterwards, bounds on time, memory and output, and, where the machine lets us, nothing else to see.
//
// SB1. The program leads a process group of its own; time-out, abort and a normal end all kill the
//      whole group, and with it the namespace of processes that it is in.
// SB2. `namespaces`: its own users, mounts, network, processes. It sees /usr and a few files of fonts,
//      read only, and its folder; no other file, no network, and it can gain no rights.
//      `limits`: only the bounds and the empty environment, for what cannot name files.
// SB3. What it leaves is read without following links: a link could name any file of ours.
// SB4. The commands that build the namespace are fixed; no word of a request is among them.

import { constants } from "node:fs";
import { access, mkdir, mkdtemp, open, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { runGroup } from "./process-group.ts";

export type Isolation = "namespaces" | "limits";

export interface SandboxOrder {
  /** An absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  /** Written into its folder. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Names of what it is to leave there. */
  readonly outputs: readonly string[];
  readonly memoryBytes: number;
  readonly cpuS: number;
  /** For each file that it writes, and for each output that is read. */
  readonly fileBytes: number;
  readonly onLine?: (line: string) => void;
}

export interface SandboxResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it said, both streams. */
  readonly words: string;
  /** Those of the outputs that are there. */
  readonly outputs: ReadonlyMap<string, Uint8Array>;
}

export interface Sandbox {
  readonly isolation: Isolation;
  /** Throws the signal's reason, too_large for an output, io_error. */
  run(order: SandboxOrder, signal: AbortSignal): Promise<SandboxResult>;
}

const WORDS_CHARS_MAX = 4_096;
const LINE_CHARS_MAX = 1_000;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" } as const;
const UNSHARE =
  "--user --map-root-user --mount --net --pid --ipc --uts --fork --kill-child=KILL".split(" ");

// $1: our folder; the rest is the program. SB2 and SB4.
const ENTER = `
set -e
PATH=${SYSTEM_PATH}
root="$1/root"; work="$1/work"; shift
dirs=; files=; links=
for path in /etc/fonts /etc/alternatives /var/cache/fontconfig; do
  if [ -d "$path" ]; then dirs="$dirs $path"; fi
done
if [ -e /etc/ld.so.cache ]; then files=/etc/ld.so.cache; fi
for name in bin sbin lib lib32 lib64; do
  if [ -e "/usr/$name" ]; then links="$links usr/$name"; fi
done
mount -t tmpfs -o size=64k,mode=755 none "$root"
cd "$root"
mkdir -p usr work dev etc proc old $(for path in $dirs; do echo ".$path"; done)
ln -s $links .
: > dev/null
mount -o rbind,ro /usr usr
for path in $dirs $files; do
  if [ -f "$path" ]; then : > ".$path"; fi
  mount -o bind,ro "$path" ".$path"
done
mount --bind /dev/null dev/null
mount --bind "$work" work
mount -t proc proc proc
pivot_root . old
cd /work
umount -n -l /old
HOME=/work TMPDIR=/work PATH=/usr/bin:/bin exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
`;

/** The program of this name on a search path; undefined if there is none. */
export async function findProgram(name: string, path = ""): Promise<string | undefined> {
  for (const folder of `${path}${delimiter}${SYSTEM_PATH}`.split(delimiter)) {
    if (!folder.startsWith("/")) continue;
    const found = join(folder, name);
    if (
      await access(found, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return realpath(found);
  }
  return undefined;
}

/** Tries what this machine lets us do. Undefined where even bounds cannot be set. */
export async function openSandbox(signal: AbortSignal): Promise<Sandbox | undefined> {
  const prlimit = await findProgram("prlimit");
  if (prlimit === undefined) return undefined;
  const unshare = await findProgram("unshare");
  const probe: SandboxOrder = {
    program: (await findProgram("cat")) ?? "/usr/bin/cat",
    args: ["probe"],
    files: { probe: "it works" },
    outputs: [],
    memoryBytes: 268_435_456,
    cpuS: 5,
    fileBytes: 65_536,
  };
  if (unshare !== undefined) {
    const sandbox = makeSandbox("namespaces", prlimit, unshare);
    const { exitCode, words } = await sandbox.run(probe, signal);
    if (exitCode === 0 && words === "it works") return sandbox;
  }
  const sandbox = makeSandbox("limits", prlimit, undefined);
  return (await sandbox.run(probe, signal)).exitCode === 0 ? sandbox : undefined;
}

function makeSandbox(isolation: Isolation, prlimit: string, unshare: string | undefined): Sandbox {
  return {
    isolation,
    async run(order, signal) {
      const folder = await mkdtemp(join(tmpdir(), "gantry-part-"));
      try {
        const work = join(folder, "work");
        await mkdir(join(folder, "root"));
        await mkdir(work);
        await lay(work, order.files);
        if (signal.aborted) throw reasonOf(signal);
        const { memoryBytes, cpuS, fileBytes } = order;
        const bounds = [`--as=${memoryBytes}`, `--cpu=${cpuS}`, `--fsize=${fileBytes}`];
        const enter =
          unshare === undefined ? [] : [unshare, ...UNSHARE, "/bin/sh", "-c", ENTER, "sh", folder];
        const args = [
          ...bounds,
          "--core=0",
          "--nofile=256",
          "--",
          ...enter,
          order.program,
          ...order.args,
        ];
        const ended = await runHeard(prlimit, args, work, order.onLine, signal);
        return { ...ended, outputs: await gather(work, order) };
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function lay(work: string, files: SandboxOrder["files"]): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(work, name), content);
}

/** SB1. */
async function runHeard(
  program: string,
  args: readonly string[],
  folder: string,
  onLine: SandboxOrder["onLine"],
  signal: AbortSignal,
): Promise<Omit<SandboxResult, "outputs">> {
  let words = "";
  const hearOne = (stream: NodeJS.ReadableStream): void => {
    let line = "";
    stream.setEncoding("utf8");
    stream.on("data", (piece: string) => {
      words = (words + piece).slice(-WORDS_CHARS_MAX);
      const lines = (line + piece).slice(-LINE_CHARS_MAX).split("\n");
      line = lines.pop() ?? "";
      for (const whole of lines) onLine?.(whole);
    });
  };
  const hear = (...streams: NodeJS.ReadableStream[]): void => streams.forEach(hearOne);
  const end = await runGroup({ program, args, folder, environment: ENVIRONMENT, hear }, signal);
  return { ...end, words };
}

/** SB3. */
async function gather(
  work: string,
  { outputs, fileBytes }: SandboxOrder,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const name of outputs) {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(join(work, name), flags).catch(() => undefined);
    if (file === undefined) continue;
    try {
      const facts = await file.stat();
      if (!facts.isFile()) continue;
      if (facts.size > fileBytes) {
        throw new GantryError(
          "too_large",
          `${name} has ${facts.size} bytes; ${fileBytes} are the most`,
        );
      }
      found.set(name, await file.readFile());
    } finally {
      await file.close();
    }
  }
  return found;
}
