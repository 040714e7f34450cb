// Every command of `gantry`: what help prints, what completion offers, what the parser accepts, and
// where its code is. The code is loaded only when the command runs.

import type { Command } from "./context.ts";

export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  /** One letter that means the same. */
  readonly short?: string;
  /** Placeholder in help, for strings. */
  readonly value?: string;
  readonly help: string;
}

export interface CommandSpec {
  readonly summary: string;
  /** One line for each form, without `gantry NAME`. */
  readonly usage: readonly string[];
  /** First words that complete. */
  readonly words?: readonly string[];
  readonly wordsMin?: number;
  readonly wordsMax?: number;
  readonly options?: Readonly<Record<string, OptionSpec>>;
  readonly load: () => Promise<Command>;
}

export const GLOBAL_OPTIONS = {
  json: { type: "boolean", help: "one JSON document, or JSON lines for a stream" },
  hub: {
    type: "string",
    value: "URL",
    help: "the hub, or several with commas; default from GANTRY_HTTP_HOST",
  },
  token: { type: "string", value: "TOKEN", help: "default GANTRY_TOKEN, then DATA_DIR/token" },
  help: { type: "boolean", help: "explain this command" },
} as const satisfies Readonly<Record<string, OptionSpec>>;

const limit = { type: "string", value: "N", help: "how many, 1 to 500; default 50" } as const;
const yes = { type: "string", value: "PHRASE", help: "give the word at once" } as const;
const bool = (help: string): OptionSpec => ({ type: "boolean", help });
const text = (value: string, help: string): OptionSpec => ({ type: "string", value, help });

/** What a print for any printer may ask for. */
const wish = {
  material: text("NAME", "of the farm: filament that must be loaded; default the file's"),
  color: text("RRGGBB", "of the farm: its colour"),
  nozzle: text("MM", "of the farm: nozzle"),
  volume: text("XxYxZ", "of the farm: volume in mm that it must have"),
  label: { type: "string", multiple: true, value: "L", help: "of the farm: label it must have" },
  deadline: text("TIME", "of the farm: ISO time by which it is to be done"),
  priority: text("0-9", "of the farm: 9 is the most urgent; default 5"),
  grams: text("G", "of the farm: filament that it takes, where the file does not say"),
  dialect: text("NAME", "of the farm: marlin or klipper, where it has both"),
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  ask: {
    summary: "ask or order something in words",
    usage: ["TEXT...", "- (reads standard input)"],
    wordsMin: 1,
    options: {
      conversation: text("ID", "go on with this conversation"),
      new: bool("begin a new conversation"),
      yes,
    },
    load: async () => (await import("./commands/ask.ts")).ask,
  },
  chat: {
    summary: "talk line by line; /help inside",
    usage: [""],
    wordsMax: 0,
    options: {
      conversation: text("ID", "go on with this conversation"),
      new: bool("begin a new conversation"),
    },
    load: async () => (await import("./commands/chat.ts")).chat,
  },
  make: {
    summary: "make a part out of words: body, G-code, print",
    usage: [
      "TEXT... [--slice] [--print] [--printer P] [-o FILE]",
      "--source FILE.scad",
      "--job ID",
      "--list",
    ],
    options: {
      printer: text("PRINTER", "for whose bed; needed where there are several"),
      slice: bool("make G-code too"),
      print: bool("slice it and hand it to the printer; it waits for the word"),
      output: { ...text("FILE", "save it here: .stl, .gcode or .png"), short: "o" },
      material: text("NAME", "pla, petg, abs, asa or tpu; default pla"),
      infill: text("PERCENT", "0 to 100; default 15"),
      supports: bool("with supports"),
      source: text("FILE", "a program in OpenSCAD instead of words"),
      job: text("ID", "go on with a part that is made already"),
      list: bool("what can be made, with all parameters"),
      yes,
    },
    load: async () => (await import("./commands/make.ts")).make,
  },
  print: {
    summary: "send G-code to a printer",
    usage: ["FILE --on PRINTER", "FILE --on any [--material PLA] [--nozzle 0.4] [--label L]..."],
    wordsMin: 1,
    wordsMax: 1,
    options: {
      on: text("PRINTER", "which printer, see gantry devices; any: whichever of the farm fits"),
      name: text("NAME", "shown to people; default the file's name"),
      ...wish,
      follow: bool("stay until the print has ended"),
      yes,
    },
    load: async () => (await import("./commands/print.ts")).print,
  },
  prints: {
    summary: "print jobs, the newest first",
    usage: ["", "ID [--follow]", "pause|resume|cancel ID", "resolve ID done|failed"],
    words: ["pause", "resume", "cancel", "resolve"],
    wordsMax: 3,
    options: { limit, follow: bool("stay until the print has ended") },
    load: async () => (await import("./commands/prints.ts")).prints,
  },
  pause: {
    summary: "pause a print",
    usage: ["JOB"],
    wordsMin: 1,
    wordsMax: 1,
    load: async () => (await import("./commands/prints.ts")).pause,
  },
  resume: {
    summary: "resume a print",
    usage: ["JOB"],
    wordsMin: 1,
    wordsMax: 1,
    load: async () => (await import("./commands/prints.ts")).resume,
  },
  cancel: {
    summary: "cancel a print",
    usage: ["JOB"],
    wordsMin: 1,
    wordsMax: 1,
    load: async () => (await import("./commands/prints.ts")).cancel,
  },
  stop: {
    summary: "EMERGENCY STOP of all printers, or of one",
    usage: ["[PRINTER]"],
    wordsMax: 1,
    load: async () => (await import("./commands/stop.ts")).stop,
  },
  devices: {
    summary: "printers with their live state",
    usage: ["", "ID", "reset ID"],
    words: ["reset"],
    wordsMax: 2,
    load: async () => (await import("./commands/devices.ts")).devices,
  },
  farm: {
    summary: "prints for any printer: what waits and why",
    usage: [
      "",
      "rank JOB [--priority N] [--deadline TIME|none]",
      "outcomes [printer|material|file]",
      "wall",
    ],
    words: ["queue", "rank", "outcomes", "wall"],
    wordsMax: 2,
    options: {
      priority: text("0-9", "9 is the most urgent"),
      deadline: text("TIME", "ISO time, or none"),
    },
    load: async () => (await import("./commands/farm.ts")).farm,
  },
  printer: {
    summary: "what the printers of the farm are and hold",
    usage: ["", "ID", "set ID [options]", "remove ID", "maintained ID", "load ID SPOOL|none"],
    words: ["set", "remove", "maintained", "load"],
    wordsMax: 3,
    options: {
      material: text("NAME", "loaded, where no spool is counted"),
      color: text("RRGGBB", "of that filament"),
      nozzle: text("MM", "its nozzle"),
      label: { type: "string", multiple: true, value: "L", help: "enclosed, food-safe ..." },
      "maintain-every": text("HOURS", "print hours between two maintenances"),
      "off-peak": text("22:00-06:00", "long prints start in these hours only"),
      long: text("MINUTES", "what is long; default 120"),
      zone: text("ZONE", "of these hours; default this machine's"),
      "cost-per-hour": text("USD", "for estimates"),
      hold: bool("take no more prints of the farm"),
      release: bool("take them again"),
    },
    load: async () => (await import("./commands/printer.ts")).printer,
  },
  spool: {
    summary: "spools and what is left on them",
    usage: ["", "set ID --material PLA --grams 1000 [--color RRGGBB] [--price USD]", "drop ID"],
    words: ["set", "drop"],
    wordsMax: 2,
    options: {
      material: text("NAME", "PLA, PETG ..."),
      grams: text("G", "left on it"),
      color: text("RRGGBB", "of the filament"),
      name: text("NAME", "shown to people"),
      price: text("USD", "of a kilogram"),
    },
    load: async () => (await import("./commands/printer.ts")).spool,
  },
  bed: {
    summary: "say that a bed is empty, and how the part turned out",
    usage: ["clear PRINTER [--outcome ok|failed] [--reason R] [--note TEXT]"],
    words: ["clear"],
    wordsMin: 2,
    wordsMax: 2,
    options: {
      outcome: text("ok|failed", "how the part turned out"),
      reason: text("R", "why it failed: adhesion, warping, layer_shift, spaghetti ..."),
      note: text("TEXT", "in your words"),
      job: text("ID", "the print that was taken off"),
    },
    load: async () => (await import("./commands/printer.ts")).bed,
  },
  "bed-cleared": {
    summary: "say that a printer's bed is empty",
    usage: ["PRINTER"],
    wordsMin: 1,
    wordsMax: 1,
    options: { job: text("ID", "the print that was taken off") },
    load: async () => (await import("./commands/devices.ts")).bedCleared,
  },
  confirm: {
    summary: "give the word for something dangerous",
    usage: ["ID PHRASE..."],
    wordsMin: 2,
    load: async () => (await import("./commands/confirm.ts")).confirm,
  },
  confirmations: {
    summary: "what waits for a person's word",
    usage: ["", "withdraw ID"],
    words: ["withdraw"],
    wordsMax: 2,
    load: async () => (await import("./commands/confirm.ts")).confirmations,
  },
  jobs: {
    summary: "queued work",
    usage: ["", "ID", "dead", "requeue|drop|cancel ID"],
    words: ["dead", "requeue", "drop", "cancel"],
    wordsMax: 2,
    options: { limit },
    load: async () => (await import("./commands/jobs.ts")).jobs,
  },
  queues: {
    summary: "named queues: how far behind, paused, dead work",
    usage: ["", "NAME", "pause|resume NAME", "requeue|drop NAME [--preview]"],
    words: ["pause", "resume", "requeue", "drop"],
    wordsMax: 2,
    options: { preview: bool("only say how many it would be") },
    load: async () => (await import("./commands/queues.ts")).queues,
  },
  exec: {
    summary: "run an allow-listed command and wait for its end",
    usage: ["COMMAND [--arg NAME=VALUE]..."],
    wordsMin: 1,
    wordsMax: 1,
    options: { arg: { ...text("NAME=VALUE", "an argument; JSON or text"), multiple: true }, yes },
    load: async () => (await import("./commands/jobs.ts")).exec,
  },
  run: {
    summary: "start, watch and mend runs of workflows",
    usage: [
      "start FILE|NAME[@TAG] [--inputs FILE|JSON] [-f]",
      "list [--state STATE] [--workflow NAME] [--by PERSON] [--from TIME] [--to TIME] [--text WORDS] [--sort time|cost]",
      "show RUN",
      "restore RUN",
      "cancel RUN [--reason TEXT]",
      "pause|resume RUN",
      "retry RUN [--node NODE]",
      "resolve RUN PLACE done|failed|again --reason TEXT",
      "replay RUN [--mode freeze|shadow|live] [--from NODE|--at POSITION]",
      "compare RUN RUN",
      "patch RUN FILE --reason TEXT [--if-revision N]",
      "patches RUN",
      "revert RUN PATCH --reason TEXT",
    ],
    words: [
      "start",
      "list",
      "show",
      "cancel",
      "pause",
      "resume",
      "retry",
      "resolve",
      "replay",
      "compare",
      "patch",
      "patches",
      "revert",
      "restore",
    ],
    wordsMin: 1,
    wordsMax: 4,
    options: {
      inputs: text("FILE|JSON", "what the workflow is given; default {}"),
      follow: { ...bool("stay until the run has ended"), short: "f" },
      limit,
      state: text("STATE", "running, paused, undoing, done, failed or cancelled"),
      workflow: text("NAME", "only runs of this workflow"),
      by: text("PERSON", "only runs that this person started"),
      from: text(
        "TIME|NODE",
        "started then or later: 2026-11-21, or with a time and zone; of a replay: from this node on",
      ),
      at: text("POSITION", "of a replay: what had ended by this log position is as it was"),
      to: text("TIME", "started before then"),
      text: text("WORDS", "over, with all of these words in name, inputs or fault"),
      sort: text("ORDER", "time, or cost: the dearest first"),
      after: text("CURSOR", "the page after this cursor"),
      node: text("NODE", "from this node on"),
      mode: text(
        "MODE",
        "freeze: all as it was; shadow: by another version; live: from a node on it is done anew",
      ),
      reason: text("TEXT", "why, for those who read it later"),
      "if-revision": text("N", "only if nobody patched it since"),
    },
    load: async () => (await import("./commands/run.ts")).run,
  },
  patch: {
    summary: "change a run, or a workflow itself, and see what a change is",
    usage: [
      "list RUN|WORKFLOW",
      "show RUN|WORKFLOW N",
      "show TICKET",
      "approve|reject TICKET --reason TEXT",
      "propose RUN SENTENCE [--dry-run]",
      "add RUN|WORKFLOW FILE --reason TEXT [--tag TAG] [--if-revision N]",
      "revert RUN|WORKFLOW N --reason TEXT",
      "lag",
    ],
    words: ["list", "show", "approve", "reject", "propose", "add", "revert", "lag"],
    wordsMin: 1,
    options: {
      limit,
      reason: text("TEXT", "why, for those who read it later"),
      tag: text("TAG", "of a workflow: name the version with this patch"),
      "dry-run": bool("of a sentence: say what it would be, and change nothing"),
      "if-revision": text("N", "only if nobody changed it since"),
    },
    load: async () => (await import("./commands/patch.ts")).patch,
  },
  logs: {
    summary: "what happens in a run, until it ends",
    usage: ["stream RUN [--node NODE]"],
    words: ["stream"],
    wordsMin: 2,
    wordsMax: 2,
    options: { node: text("NODE", "only this node, and what is inside it") },
    load: async () => (await import("./commands/logs.ts")).logs,
  },
  approve: {
    summary: "answer a run's question",
    usage: ["", "TICKET approve|reject --reason TEXT"],
    wordsMax: 2,
    options: { reason: text("TEXT", "why, for those who read it later") },
    load: async () => (await import("./commands/approve.ts")).approve,
  },
  workflow: {
    summary: "keep, check and tag workflows",
    usage: [
      "list",
      "show NAME [--tag TAG]",
      "validate FILE",
      "keep FILE --name NAME [--tag TAG] [--fast]",
      "tag NAME TAG [SHA256]",
      "untag NAME TAG",
    ],
    words: ["list", "show", "validate", "keep", "tag", "untag"],
    wordsMin: 1,
    wordsMax: 4,
    options: {
      limit,
      name: text("NAME", "under which it is started"),
      tag: text("TAG", "main, exp/fast ...; main is what NAME alone means"),
      fast: bool("keep only what is needed to end, and the end"),
    },
    load: async () => (await import("./commands/workflow.ts")).workflow,
  },
  schedule: {
    summary: "what runs by the clock",
    usage: [
      "",
      "add NAME --cron PATTERN|--every SECONDS|--at TIME --ask TEXT|--exec COMMAND|--workflow NAME|--event NAME",
      "list",
      "show|next|history|pause|resume|run|rm ID",
    ],
    words: ["list", "add", "show", "next", "history", "pause", "resume", "run", "rm"],
    wordsMax: 2,
    options: {
      cron: text("PATTERN", 'minute hour day month weekday, e.g. "0 4 * * 1-5"'),
      zone: text("ZONE", "of the pattern, e.g. Europe/Berlin; default: where you are"),
      every: text("SECONDS", "so often"),
      at: text("TIME", "once, e.g. 2030-01-31T08:00:00Z"),
      ask: text("TEXT", "ask this in your name"),
      exec: text("COMMAND", "run this allow-listed command"),
      arg: { ...text("NAME=VALUE", "an argument; JSON or text"), multiple: true },
      workflow: text("NAME", "start this workflow, or NAME@TAG of it"),
      inputs: text("JSON", "the workflow's inputs"),
      event: text("NAME", "tell this event"),
      data: text("JSON", "what the event says"),
      "catch-up": text("WHAT", "of missed runs start none (skip), one (once) or all"),
      overlap: text("WHAT", "allow, skip, queue-one or cancel-previous"),
      jitter: text("SECONDS", "start up to so much later"),
      until: text("TIME", "not after this"),
      "runs-per-day": text("N", "at most so many"),
      count: text("N", "how many next times, 1 to 100; default 10"),
      limit,
    },
    load: async () => (await import("./commands/schedule.ts")).schedule,
  },
  webhook: {
    summary: "who is told of events by HTTP",
    usage: [
      "",
      "list",
      "add URL [--events A,B] [--subject ID]",
      "dead|rm ID",
      "redeliver ID [DELIVERY...]",
    ],
    words: ["list", "add", "rm", "dead", "redeliver"],
    options: {
      events: text("A,B", "types, prefixes like job.*, or *; default *"),
      subject: text("ID", "only about this run, job, printer ..."),
      limit,
    },
    load: async () => (await import("./commands/webhook.ts")).webhook,
  },
  flags: {
    summary: "read and set flags",
    usage: ["", "get KEY", "set KEY VALUE", "delete KEY"],
    words: ["get", "set", "delete"],
    wordsMax: 3,
    options: {
      "if-revision": text("N", "only if nobody changed it since"),
      consistency: text("LEVEL", "linearizable, leader or local"),
    },
    load: async () => (await import("./commands/flags.ts")).flags,
  },
  events: {
    summary: "live events, until Ctrl-C",
    usage: [""],
    wordsMax: 0,
    options: {
      types: text("A,B", "only these types, e.g. print.changed"),
      since: text("N", "begin after this log position"),
      count: text("N", "end after so many"),
    },
    load: async () => (await import("./commands/events.ts")).events,
  },
  audit: {
    summary: "who did what",
    usage: [""],
    wordsMax: 0,
    options: { limit, after: text("CURSOR", "the page after this cursor") },
    load: async () => (await import("./commands/records.ts")).audit,
  },
  costs: {
    summary: "answers, tokens and money",
    usage: [""],
    wordsMax: 0,
    load: async () => (await import("./commands/records.ts")).costs,
  },
  token: {
    summary: "tokens of people and programs",
    usage: ["list", "create PERSON --role ROLE [--days N]", "revoke ID"],
    words: ["list", "create", "revoke"],
    wordsMin: 1,
    wordsMax: 2,
    options: {
      role: text(
        "ROLE",
        "viewer, operator, maker, safety, admin, or wall for a screen; default viewer",
      ),
      days: text("N", "it expires after so many days"),
    },
    load: async () => (await import("./commands/people.ts")).token,
  },
  "join-code": {
    summary: "a one-time code for a new machine",
    usage: ["NAME"],
    wordsMin: 1,
    wordsMax: 1,
    load: async () => (await import("./commands/people.ts")).joinCode,
  },
  lock: {
    summary: "locks with fencing tokens",
    usage: [
      "list",
      "acquire NAME [--owner NAME] [--ttl SECONDS] [--wait SECONDS]",
      "cancel NAME [--owner NAME]",
      "renew NAME --fence N",
      "release NAME --fence N",
    ],
    words: ["list", "acquire", "cancel", "renew", "release"],
    wordsMin: 1,
    wordsMax: 2,
    options: {
      owner: text("NAME", "who holds it; default: you"),
      ttl: text("SECONDS", "it ends so long after it was last kept alive; default 30"),
      wait: text("SECONDS", "wait so long for a turn if somebody holds it; at most 240"),
      fence: text("N", "the fencing token that acquire gave"),
    },
    load: async () => (await import("./commands/lock.ts")).lock,
  },
  registry: {
    summary: "machines and what they can do",
    usage: ["[--selector TEXT]"],
    wordsMax: 0,
    options: {
      selector: text("TEXT", 'only these, e.g. "gpu.vram_mb>=8000, room=workshop, !cmd.shell"'),
    },
    load: async () => (await import("./commands/cluster.ts")).registry,
  },
  cluster: {
    summary: "hubs: who leads and how far each has come; add, remove, hand over",
    usage: [
      "status",
      "add HUB tcp://HOST:PORT [--witness]",
      "remove HUB...",
      "promote HUB",
      "transfer [HUB]",
      "recover [--data-dir DIR] [--yes]",
    ],
    words: ["status", "add", "remove", "promote", "transfer", "recover"],
    options: {
      witness: bool("the new hub votes and keeps the log, and holds no state"),
      "data-dir": text("DIR", "the data folder of the stopped hub that is to be recovered"),
      yes: bool("recover without asking: what other hubs had alone is lost"),
    },
    load: async () => (await import("./commands/cluster.ts")).cluster,
  },
  models: {
    summary: "list the hub's models, or fetch one to this machine",
    usage: ["list", "pull URI"],
    words: ["list", "pull"],
    wordsMin: 1,
    wordsMax: 2,
    options: {
      sha256: text("HEX", "the hash that the file must have"),
      dir: text("FOLDER", "where to put it; default DATA_DIR/models"),
    },
    load: async () => (await import("./commands/models.ts")).models,
  },
  doctor: {
    summary: "check the stored data of a stopped hub, or compare all running ones",
    usage: ["[DATA_DIR]", "--cluster"],
    wordsMax: 1,
    options: { cluster: bool("ask the running hubs whether they hold the same") },
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  backup: {
    summary: "save everything as one file, while the hubs run",
    usage: ["[FILE|FOLDER] [--keep N]", "--check FILE"],
    wordsMax: 1,
    options: {
      check: bool("prove that a backup is whole"),
      keep: text("N", "in a folder: remove all but the newest N"),
    },
    load: async () => (await import("./commands/backup.ts")).backup,
  },
  restore: {
    summary: "make a new hub from a backup",
    usage: ["FILE --data-dir DIR"],
    wordsMin: 1,
    wordsMax: 1,
    options: { "data-dir": text("DIR", "the new hub's data folder, missing or empty") },
    load: async () => (await import("./commands/restore.ts")).restore,
  },
  config: {
    summary: "the configuration in force, secrets hidden",
    usage: [""],
    wordsMax: 0,
    load: async () => (await import("./commands/config.ts")).config,
  },
  completion: {
    summary: "a completion script for your shell",
    usage: ["bash|zsh|fish"],
    words: ["bash", "zsh", "fish"],
    wordsMin: 1,
    wordsMax: 1,
    load: async () => (await import("./commands/completion.ts")).completion,
  },
  version: {
    summary: "the version of this command",
    usage: [""],
    wordsMax: 0,
    load: async () => (await import("./commands/version.ts")).version,
  },
  help: {
    summary: "explain a command",
    usage: ["[COMMAND]"],
    wordsMax: 1,
    load: async () => (await import("./commands/help.ts")).help,
  },
};
