// Every environment variable of the house, once: its name, kind, bounds, default, who reads it.
// config.ts reads them, `gantry config` prints them, docs list them. No zod: the client starts fast.

export type Program = "hub" | "agent" | "bridge" | "client";

/** What the text of a variable becomes. */
export interface Kinds {
  readonly text: string;
  /** A file or folder, kept as it was written; the shell resolves it. */
  readonly path: string;
  /** Text that is never printed; also read from NAME_FILE and $CREDENTIALS_DIRECTORY/NAME. */
  readonly secret: string;
  readonly int: number;
  /** 0 to 65535, where 0 is any free port, or `off`. */
  readonly portOrOff: number | "off";
  /** 1, true, yes, on · 0, false, no, off. */
  readonly bool: boolean;
  readonly url: string;
  /** `a,b`; `none` is the empty list. */
  readonly list: readonly string[];
  /** `a=1,b=2`; `none` is the empty table. */
  readonly pairs: Readonly<Record<string, string>>;
  readonly level: LogLevel;
}
export type Kind = keyof Kinds;

export const LOG_LEVELS = ["error", "warn", "info", "debug", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Variable {
  /** Its name in the typed configuration. */
  readonly field: string;
  readonly kind: Kind;
  /** As a person would write it. Absent: unset unless somebody sets it. */
  readonly default?: string;
  /** What an absent default means, for people. */
  readonly otherwise?: string;
  readonly min?: number;
  readonly max?: number;
  /** Schemes that a url may have, without the colon. */
  readonly schemes?: readonly string[];
  readonly readBy: readonly Program[];
  readonly meaning: string;
}

export const VARIABLES = {
  GANTRY_DATA_DIR: {
    field: "dataDir",
    kind: "path",
    default: "./data",
    readBy: ["hub", "agent", "bridge", "client"],
    meaning: "everything that must survive: log, state, blobs, keys, models",
  },
  // ── the hub's doors ──
  GANTRY_HTTP_HOST: {
    field: "httpHost",
    kind: "text",
    default: "127.0.0.1",
    readBy: ["hub", "client"],
    meaning: "address of the API and the console; a client may know several: a,b:8081,...",
  },
  GANTRY_HTTP_PORT: {
    field: "httpPort",
    kind: "int",
    default: "8080",
    min: 0,
    max: 65_535,
    readBy: ["hub", "client"],
    meaning: "port of the API and the console; 0 takes a free one",
  },
  GANTRY_HTTP_NAMES: {
    field: "httpNames",
    kind: "list",
    default: "none",
    readBy: ["hub"],
    meaning: "more host names under which people reach the hub",
  },
  GANTRY_KNOWLEDGE: {
    field: "knowledgeFolders",
    kind: "list",
    default: "none",
    readBy: ["hub"],
    meaning: "folders whose documents the hub may be told to know, besides DATA_DIR/knowledge",
  },
  GANTRY_EGRESS_ALLOW: {
    field: "egressAllow",
    kind: "list",
    default: "none",
    readBy: ["hub"],
    meaning:
      "where workflows may send HTTP requests: HOST, *.HOST, ADDRESS or ADDRESS/BITS, with :PORT or without",
  },
  GANTRY_OTLP_URL: {
    field: "otlpUrl",
    kind: "url",
    otherwise: "traces are not exported",
    readBy: ["hub"],
    meaning: "where spans go as OTLP/HTTP JSON, e.g. http://collector.lan:4318/v1/traces",
  },
  GANTRY_MCP_SERVERS: {
    field: "mcpServers",
    kind: "secret",
    otherwise: "no other MCP server is used",
    readBy: ["hub"],
    meaning: "JSON of the MCP servers whose tools agents may use: see docs/agents.md",
  },
  GANTRY_HTTP_WORKERS: {
    field: "httpWorkers",
    kind: "int",
    default: "1",
    min: 1,
    max: 16,
    readBy: ["hub"],
    meaning: "threads that serve HTTP",
  },
  GANTRY_ALLOW_PLAIN_HTTP: {
    field: "allowPlainHttp",
    kind: "bool",
    default: "0",
    readBy: ["hub"],
    meaning: "allow a host other than loopback without TLS",
  },
  GANTRY_TLS_CERT: {
    field: "tlsCert",
    kind: "path",
    readBy: ["hub", "client"],
    meaning: "PEM certificate of the HTTP door",
  },
  GANTRY_TLS_KEY: {
    field: "tlsKey",
    kind: "path",
    readBy: ["hub"],
    meaning: "PEM key of the HTTP door",
  },
  GANTRY_TOKEN: {
    field: "token",
    kind: "secret",
    otherwise: "made at first start, in DATA_DIR/token",
    readBy: ["hub", "client"],
    meaning: "the owner's token at a hub's first start; a client's own token",
  },
  GANTRY_MQTT_PORT: {
    field: "mqttPort",
    kind: "portOrOff",
    default: "1883",
    readBy: ["hub"],
    meaning: "port of the embedded MQTT broker, or off",
  },
  GANTRY_MQTT_URL: {
    field: "mqttUrl",
    kind: "url",
    schemes: ["mqtt", "mqtts"],
    readBy: ["hub"],
    meaning: "an existing broker to use in place of the embedded one",
  },
  // ── the cluster ──
  GANTRY_HUB_ID: {
    field: "hubId",
    kind: "text",
    default: "hub-1",
    readBy: ["hub"],
    meaning: "this hub's name in the cluster",
  },
  GANTRY_PEERS: {
    field: "peers",
    kind: "pairs",
    default: "none",
    readBy: ["hub"],
    meaning: "other hubs: hub-2=tcp://10.77.0.2:7700,...",
  },
  GANTRY_PEER_BIND: {
    field: "peerBind",
    kind: "url",
    default: "tcp://127.0.0.1:7700",
    schemes: ["tcp", "ipc"],
    readBy: ["hub"],
    meaning: "where other hubs reach this one",
  },
  GANTRY_PEER_ADDRESS: {
    field: "peerAddress",
    kind: "url",
    otherwise: "GANTRY_PEER_BIND",
    schemes: ["tcp", "ipc"],
    readBy: ["hub"],
    meaning: "the address that other hubs use, where it is not the one that is bound",
  },
  GANTRY_CLUSTER_SECRET: {
    field: "clusterSecret",
    kind: "secret",
    otherwise: "GANTRY_TOKEN, if it is given",
    readBy: ["hub"],
    meaning: "the same on all hubs of GANTRY_PEERS: by it they know each other",
  },
  GANTRY_CLUSTER_CODE: {
    field: "clusterCode",
    kind: "secret",
    readBy: ["hub"],
    meaning: "code of `gantry cluster add` for a new hub's first start",
  },
  GANTRY_WITNESSES: {
    field: "witnesses",
    kind: "list",
    default: "none",
    readBy: ["hub"],
    meaning: "hubs that vote and keep the log, and hold no state: hub-3,...",
  },
  GANTRY_ELECTION_MS: {
    field: "electionMs",
    kind: "int",
    otherwise: "250, or 1000 on a machine that stalls",
    min: 50,
    max: 60_000,
    readBy: ["hub"],
    meaning: "silence of the leader before another hub stands, ms; the same on all hubs",
  },
  GANTRY_HEARTBEAT_MS: {
    field: "heartbeatMs",
    kind: "int",
    otherwise: "a fifth of GANTRY_ELECTION_MS",
    min: 10,
    max: 10_000,
    readBy: ["hub"],
    meaning: "between two signs of life of the leader, ms",
  },
  GANTRY_AGENT_ADDRESS: {
    field: "agentAddress",
    kind: "url",
    otherwise: "GANTRY_AGENT_BIND",
    schemes: ["tcp", "ipc"],
    readBy: ["hub"],
    meaning: "the address that node agents use, where it is not the one that is bound",
  },
  GANTRY_AGENT_BIND: {
    field: "agentBind",
    kind: "url",
    default: "tcp://127.0.0.1:7701",
    schemes: ["tcp", "ipc"],
    readBy: ["hub"],
    meaning: "where node agents reach this hub",
  },
  GANTRY_CHECKPOINT_MS: {
    field: "checkpointMs",
    kind: "int",
    default: "2000",
    min: 50,
    max: 600_000,
    readBy: ["hub"],
    meaning: "how often changed rows are written to the state, ms",
  },
  // ── a node agent ──
  GANTRY_HUBS: {
    field: "hubs",
    kind: "list",
    default: "tcp://127.0.0.1:7701",
    readBy: ["agent"],
    meaning: "where this agent finds hubs",
  },
  GANTRY_JOIN_CODE: {
    field: "joinCode",
    kind: "secret",
    readBy: ["agent"],
    meaning: "one-time code of the first contact with a hub",
  },
  GANTRY_NODE_NAME: {
    field: "nodeName",
    kind: "text",
    otherwise: "the machine's host name",
    readBy: ["agent"],
    meaning: "name of this machine in the registry",
  },
  GANTRY_NODE_LABELS: {
    field: "nodeLabels",
    kind: "pairs",
    default: "none",
    readBy: ["agent"],
    meaning: "labels of this machine: room=workshop,...",
  },
  GANTRY_COMMANDS: {
    field: "commands",
    kind: "path",
    readBy: ["agent"],
    meaning: "file with the list of commands that may run here",
  },
  GANTRY_LLM_MODELS: {
    field: "llmModels",
    kind: "list",
    default: "none",
    readBy: ["agent"],
    meaning: "language models: GGUF files or hf: addresses",
  },
  GANTRY_LLM_THREADS: {
    field: "llmThreads",
    kind: "int",
    otherwise: "cores - 1",
    min: 1,
    max: 1_024,
    readBy: ["agent"],
    meaning: "threads of each language model",
  },
  GANTRY_LLM_SLOTS: {
    field: "llmSlots",
    kind: "int",
    otherwise: "the runner decides",
    min: 1,
    max: 64,
    readBy: ["agent"],
    meaning: "answers at the same time of each language model",
  },
  GANTRY_LLM_CONTEXT: {
    field: "llmContext",
    kind: "int",
    otherwise: "the runner decides",
    min: 128,
    max: 1_048_576,
    readBy: ["agent"],
    meaning: "context of each slot, tokens",
  },
  GANTRY_LLM_MEMORY_MB: {
    field: "llmMemoryMb",
    kind: "int",
    otherwise: "80 % of the machine's, or of its cgroup's",
    min: 128,
    max: 16_777_216,
    readBy: ["agent"],
    meaning: "memory for language models; those that do not fit beside others take turns",
  },
  GANTRY_LLM_IDLE_S: {
    field: "llmIdleS",
    kind: "int",
    default: "1800",
    min: 0,
    max: 31_536_000,
    readBy: ["agent"],
    meaning:
      "seconds without a question until a model leaves the memory; 0 is never, pinned ones stay",
  },
  GANTRY_EMBED_MODEL: {
    field: "embedModel",
    kind: "text",
    readBy: ["agent"],
    meaning: "ONNX embedder: a file or an hf: address",
  },
  GANTRY_EMBED_VOCAB: {
    field: "embedVocab",
    kind: "path",
    otherwise: "beside the embedder",
    readBy: ["agent"],
    meaning: "vocabulary or tokenizer of the embedder",
  },
  GANTRY_HF_ENDPOINT: {
    field: "hfEndpoint",
    kind: "url",
    default: "https://huggingface.co",
    schemes: ["https", "http"],
    readBy: ["agent", "client"],
    meaning: "where hf: addresses are fetched",
  },
  GANTRY_HF_TOKEN: {
    field: "hfToken",
    kind: "secret",
    readBy: ["agent", "client"],
    meaning: "key for models that Hugging Face gives only to known people",
  },
  // ── a firmware bridge ──
  GANTRY_PRINTERS: {
    field: "printers",
    kind: "pairs",
    default: "sim=sim:",
    readBy: ["agent", "bridge"],
    meaning:
      "printers: ender=serial:/dev/serial/by-id/...?baud=250000,voron=moonraker:10.0.0.5,... (docs/operations.md)",
  },
  GANTRY_BRIDGE_SOCKET: {
    field: "bridgeSocket",
    kind: "path",
    otherwise: "DATA_DIR/bridge/bridge.sock",
    readBy: ["agent", "bridge", "client"],
    meaning: "socket between an agent and its firmware bridge",
  },
  GANTRY_HEARTBEAT: {
    field: "heartbeat",
    kind: "path",
    otherwise: "DATA_DIR/bridge/heartbeat.json",
    readBy: ["bridge"],
    meaning: "file by which the supervisor knows that the bridge lives; best on a disk in memory",
  },
  GANTRY_PLUG_OFF: {
    field: "plugOff",
    kind: "path",
    otherwise: "no plug is switched",
    readBy: ["bridge"],
    meaning: "program that the supervisor starts with a printer's id to cut its power",
  },
  // ── voice on this machine ──
  GANTRY_SPEECH: {
    field: "speech",
    kind: "text",
    otherwise: "503 no_speech for /v1/audio",
    readBy: ["hub"],
    meaning:
      "HOST:PORT of a Wyoming service (gantry voice serve) that hears and speaks for /v1/audio",
  },
  GANTRY_VOICE_MICROPHONE: {
    field: "voiceMicrophone",
    kind: "text",
    default: "arecord",
    readBy: ["agent", "client"],
    meaning: "arecord, arecord:DEVICE, pw-record, file:PATH.wav or pipe:PATH (raw, 16 kHz, 16 bit)",
  },
  GANTRY_VOICE_SPEAKER: {
    field: "voiceSpeaker",
    kind: "text",
    default: "aplay",
    readBy: ["agent", "client"],
    meaning: "aplay, aplay:DEVICE, pw-play, file:PATH.wav or none",
  },
  GANTRY_VOICE_NAME: {
    field: "voiceName",
    kind: "text",
    otherwise: "the machine's host name",
    readBy: ["agent", "client"],
    meaning: "name of this satellite",
  },
  GANTRY_VOICE_ROOM: {
    field: "voiceRoom",
    kind: "text",
    default: "workshop",
    readBy: ["agent", "client"],
    meaning: "satellites of one room hear the same person; the loudest answers",
  },
  GANTRY_VOICE_MODELS: {
    field: "voiceModels",
    kind: "path",
    otherwise: "DATA_DIR/models",
    readBy: ["agent", "client"],
    meaning: "folder with Silero's detector and openWakeWord's front-end",
  },
  GANTRY_VOICE_STT: {
    field: "voiceStt",
    kind: "text",
    default: "auto",
    readBy: ["agent", "client"],
    meaning: "speech to text: auto, pocketsphinx, wyoming:HOST:PORT or sherpa:FOLDER",
  },
  GANTRY_VOICE_TTS: {
    field: "voiceTts",
    kind: "text",
    default: "auto",
    readBy: ["agent", "client"],
    meaning: "text to speech: auto, espeak, wyoming:HOST:PORT or sherpa:FOLDER",
  },
  GANTRY_VOICE_VOICE: {
    field: "voiceVoice",
    kind: "text",
    default: "en-us",
    readBy: ["agent", "client"],
    meaning: "voice of the text to speech, as its engine names it",
  },
  GANTRY_VOICE_LANGUAGE: {
    field: "voiceLanguage",
    kind: "text",
    default: "en",
    readBy: ["agent", "client"],
    meaning: "language that a speech service is asked for",
  },
  GANTRY_VOICE_ECHO_CANCELLED: {
    field: "voiceEchoCancelled",
    kind: "bool",
    default: "0",
    readBy: ["client"],
    meaning: "the microphone does not hear the loudspeaker: speech interrupts speech",
  },
  GANTRY_WYOMING_BIND: {
    field: "wyomingBind",
    kind: "text",
    otherwise: "Wyoming is off",
    readBy: ["client"],
    meaning:
      "HOST:PORT on which `gantry voice` serves Wyoming; it has no passwords: best 127.0.0.1",
  },
  // ── the cloud ──
  GANTRY_PROVIDERS: {
    field: "providers",
    kind: "path",
    otherwise: "no provider is asked",
    readBy: ["hub"],
    meaning: "JSON file of cloud providers, their models and prices (docs/providers.md)",
  },
  GANTRY_OPENAI_API_KEY: {
    field: "openaiApiKey",
    kind: "secret",
    otherwise: "this provider is off",
    readBy: ["hub"],
    meaning: "key of the OpenAI API",
  },
  GANTRY_ANTHROPIC_API_KEY: {
    field: "anthropicApiKey",
    kind: "secret",
    otherwise: "this provider is off",
    readBy: ["hub"],
    meaning: "key of the Anthropic API",
  },
  GANTRY_LOG_LEVEL: {
    field: "logLevel",
    kind: "level",
    default: "info",
    readBy: ["hub", "agent", "bridge"],
    meaning: "how much is logged: error, warn, info, debug, silent",
  },
} as const satisfies Readonly<Record<`GANTRY_${string}`, Variable>>;

export type VariableName = keyof typeof VARIABLES;
