// Every HTTP route, as plain data: the hub mounts it, the client calls it, docs and OpenAPI print it.
// Bodies and replies are in schemas/ under the same name; this file stays free of zod so that the
// command line starts fast.

import type { Access } from "./roles.ts";

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `:name` is a path parameter. */
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  /** The usual status of success. */
  readonly status: number;
  /** `sse` always; `maybe` when the body has `stream: true`. */
  readonly stream?: "sse" | "maybe";
}

/** Keeps the path as a type, so that a client knows which parameters it has. */
type RouteAt<P extends string> = Route & { readonly path: P };

const get = <P extends string>(path: P, access: Access, summary: string): RouteAt<P> => ({
  method: "GET",
  path,
  access,
  summary,
  status: 200,
});
const post = <P extends string>(
  path: P,
  access: Access,
  summary: string,
  status = 200,
): RouteAt<P> => ({
  method: "POST",
  path,
  access,
  summary,
  status,
});
const put = <P extends string>(path: P, access: Access, summary: string): RouteAt<P> => ({
  method: "PUT",
  path,
  access,
  summary,
  status: 200,
});
const patch = <P extends string>(path: P, access: Access, summary: string): RouteAt<P> => ({
  method: "PATCH",
  path,
  access,
  summary,
  status: 200,
});
const del = <P extends string>(path: P, access: Access, summary: string): RouteAt<P> => ({
  method: "DELETE",
  path,
  access,
  summary,
  status: 200,
});

export const ROUTES = {
  // health and description
  live: get("/healthz", "public", "The process lives; says how each store is"),
  ready: get("/readyz", "public", "Every part with its state; 503 until all are ready"),
  metrics: get("/metrics", "public", "Prometheus text: counts and times, nothing secret"),
  discover: get("/api/discover", "viewer", "Every route, command, event and topic with a summary"),
  openapi: get("/api/openapi.json", "public", "OpenAPI 3.1 of this API"),
  traces: get("/api/traces", "viewer", "Requests with their spans, the newest first"),
  trace: get("/api/traces/:id", "viewer", "Spans of one trace, by its id or that of a request"),
  limits: get("/api/limits", "viewer", "Every bound, time-out and retry policy in force"),
  me: get("/api/me", "viewer", "Who this token is"),
  sessionOpened: post("/api/session", "public", "Trade a token for a browser cookie", 201),
  sessionClosed: del("/api/session", "public", "Forget the browser cookie"),
  // asking
  query: {
    ...post("/api/query", "viewer", "Ask, order or confirm in words"),
    stream: "maybe",
  },
  translated: post("/api/translate", "viewer", "A text in another language"),
  conversations: get("/api/conversations", "viewer", "Your conversations, the newest first"),
  conversation: get("/api/conversations/:id", "viewer", "One conversation with its messages"),
  modelFile: get(
    "/api/models/files/:sha256/:name",
    "operator",
    "A model's file from a machine that has it; resumes with Range",
  ),
  modelMachines: get("/api/models", "viewer", "Models of each machine: memory, speed, who waits"),
  cacheList: get("/api/cache", "operator", "Cached answers and hit counts"),
  cacheCleared: del("/api/cache", "operator", "Forget all cached answers; or prefix=, tag="),
  cacheEntries: get("/api/cache/entries", "operator", "Kept answers, the newest first; q="),
  cacheDropped: del("/api/cache/:key", "operator", "Forget one kept answer"),
  cacheWrong: post(
    "/api/cache/:key/wrong",
    "viewer",
    "A kept answer was wrong: nobody gets it again",
  ),
  // memory and knowledge
  memories: get("/api/memory", "viewer", "What is remembered of you; state="),
  memoryKept: post("/api/memory", "viewer", "Remember something", 201),
  memoriesForgotten: del("/api/memory", "viewer", "Forget everything; person= for admins"),
  memorySearched: get("/api/memory/search", "viewer", "By words and by likeness; q="),
  memoryForgotten: del("/api/memory/:id", "viewer", "Forget one, and what it replaced"),
  memoryReviewed: post("/api/memory/:id/review", "viewer", "Keep or drop what was proposed"),
  knowledge: get("/api/knowledge", "viewer", "Folders whose documents are known"),
  knowledgeAdded: post("/api/knowledge", "operator", "Know a folder of the hub's machine", 201),
  knowledgeSearched: get("/api/knowledge/search", "viewer", "Pieces of documents; q="),
  knowledgeDocuments: get("/api/knowledge/:id", "viewer", "One folder with its documents"),
  knowledgeRefreshed: post("/api/knowledge/:id/refresh", "operator", "Read what has changed"),
  knowledgeRemoved: del("/api/knowledge/:id", "operator", "Forget the folder and its documents"),
  // confirmations
  confirmations: get("/api/confirmations", "viewer", "What waits for a person's word"),
  confirmation: get(
    "/api/confirmation/:id",
    "viewer",
    "The confirmation with this id, or the one this conversation waits for",
  ),
  confirm: post(
    "/api/confirmation/:id/confirm",
    "maker",
    "Give the word: the phrase or the button",
  ),
  confirmationCancelled: del("/api/confirmation/:id", "viewer", "Withdraw it"),
  // devices and prints
  devices: get("/api/devices", "viewer", "Printers with their live state"),
  device: get("/api/devices/:id", "viewer", "One device"),
  bedCleared: post("/api/devices/:id/bed-cleared", "operator", "Say that the bed is empty"),
  deviceReset: post("/api/devices/:id/reset", "operator", "Use a stopped or faulty printer again"),
  printSubmitted: post(
    "/api/fabrication/jobs",
    "maker",
    "Scan G-code and queue it; dangerous work waits for a confirmation",
    202,
  ),
  prints: get("/api/fabrication/jobs", "viewer", "Print jobs, the newest first"),
  print: get("/api/fabrication/jobs/:id", "viewer", "One print job"),
  printThumbnail: get(
    "/api/fabrication/jobs/:id/thumbnail",
    "viewer",
    "The picture that the slicer put into its file; size=large|small",
  ),
  printLayers: get(
    "/api/fabrication/jobs/:id/layers",
    "viewer",
    "The way through its layers, to draw",
  ),
  printAgain: post(
    "/api/fabrication/jobs/:id/again",
    "maker",
    "Print the same file once more, on the same printer or another",
    202,
  ),
  printPaused: post("/api/fabrication/jobs/:id/pause", "operator", "Pause", 202),
  printResumed: post("/api/fabrication/jobs/:id/resume", "operator", "Resume", 202),
  printCancelled: post("/api/fabrication/jobs/:id/cancel", "operator", "Cancel", 202),
  printResolved: post(
    "/api/fabrication/jobs/:id/resolve",
    "operator",
    "Say what became of a job whose end nobody saw",
  ),
  // parts
  cadParts: get(
    "/api/cad/parts",
    "viewer",
    "Parts that can be made without a model, with their parameters",
  ),
  cadGenerated: post(
    "/api/cad/generate",
    "maker",
    "Make a part: words, a part with parameters, or a program; with slice: G-code too",
    202,
  ),
  cadJob: get("/api/cad/jobs/:id", "viewer", "How far it is, its size and its files"),
  cadSliced: post("/api/cad/jobs/:id/slice", "maker", "G-code of a part that is made", 202),
  cadFile: get("/api/cad/jobs/:id/files/:file", "viewer", "stl, preview (PNG) or gcode"),
  cadPrinted: post(
    "/api/cad/jobs/:id/print",
    "maker",
    "Scan its G-code for a printer and queue it; it waits for a confirmation",
    202,
  ),
  bedJudged: post(
    "/api/devices/:id/bed",
    "operator",
    "Say that the bed is empty, and how the part turned out",
  ),
  // the farm
  farm: get("/api/farm", "viewer", "Prints that wait, in their order, and why each one does"),
  printRanked: post("/api/farm/queue/:id", "operator", "Change its priority or its deadline"),
  farmPrinters: get("/api/farm/printers", "viewer", "What each printer is said to be"),
  printerProfiled: put("/api/farm/printers/:id", "operator", "Say what it is; the farm may use it"),
  printerUnprofiled: del("/api/farm/printers/:id", "operator", "Take it out of the farm"),
  printerMaintained: post("/api/farm/printers/:id/maintained", "operator", "It was maintained"),
  spoolLoaded: post("/api/farm/printers/:id/spool", "operator", "Load a spool, or none"),
  camera: get("/api/devices/:id/camera", "viewer", "A picture of its camera, or a stream of them"),
  fleetHealth: get("/api/farm/health", "viewer", "How every printer was at the last looks at all"),
  fleetChecked: post("/api/farm/health", "operator", "Look at every printer now"),
  found: get("/api/discovery", "operator", "Devices that were found, and what was said about them"),
  foundScanned: post(
    "/api/discovery/scan",
    "operator",
    "Look around for devices, on every machine",
  ),
  foundApproved: post("/api/discovery/approve", "admin", "Make a found device a printer", 201),
  foundIgnored: post("/api/discovery/ignore", "operator", "Show a found device no more"),
  spools: get("/api/farm/spools", "viewer", "Spools, and what is left on them"),
  spoolKept: put("/api/farm/spools/:id", "operator", "Make a spool, or correct its facts"),
  spoolDropped: del("/api/farm/spools/:id", "operator", "Drop a spool"),
  outcomes: get("/api/farm/outcomes", "viewer", "How prints turned out; of=printer|material|file"),
  wall: get(
    "/api/wall",
    "wall",
    "What a screen on the wall shows; a token of role wall may read it",
  ),
  stop: post("/api/fabrication/stop", "viewer", "Emergency stop: all printers, or one"),
  // what slicers expect of OctoPrint; /octoprint/PRINTER before each path chooses the printer
  slicerVersion: get("/api/version", "viewer", "OctoPrint's: what slicers test a connection with"),
  slicerServer: get("/api/server", "viewer", "OctoPrint's: the version of the server"),
  slicerLogin: post("/api/login", "viewer", "OctoPrint's: who this key is"),
  slicerUser: get("/api/currentuser", "viewer", "OctoPrint's: who this key is"),
  slicerSettings: get("/api/settings", "viewer", "OctoPrint's: what this server can do"),
  slicerProfiles: get("/api/printerprofiles", "viewer", "OctoPrint's: the printer's volume"),
  slicerPrinter: get("/api/printer", "viewer", "OctoPrint's: state and temperatures"),
  slicerJob: get("/api/job", "viewer", "OctoPrint's: what is printed now"),
  slicerJobAsked: post("/api/job", "operator", "OctoPrint's: pause, resume or cancel it", 204),
  slicerFiles: get("/api/files", "viewer", "OctoPrint's: files that were sent"),
  slicerLocalFiles: get("/api/files/local", "viewer", "OctoPrint's: files that were sent"),
  slicerUploaded: post(
    "/api/files/local",
    "maker",
    "OctoPrint's: a file from a slicer; print=true queues it and waits for a confirmation",
    201,
  ),
  slicerFile: get("/api/files/local/:gcode", "viewer", "OctoPrint's: one file"),
  slicerFileAsked: post("/api/files/local/:gcode", "maker", "OctoPrint's: print it", 204),
  // queued work
  jobs: get("/api/jobs", "viewer", "Queued work, the newest first"),
  jobAdded: post("/api/jobs", "maker", "Queue a command or an embedding", 202),
  deadJobs: get("/api/jobs/dead", "viewer", "Work that failed for good"),
  job: get("/api/jobs/:id", "viewer", "One piece of work"),
  jobCancelled: post("/api/jobs/:id/cancel", "maker", "Cancel it"),
  jobRequeued: post("/api/jobs/:id/requeue", "maker", "Try dead work again"),
  jobDropped: del("/api/jobs/:id", "maker", "Drop dead work"),
  workAdded: post("/api/jobs:batch", "maker", "Queue work of programs: all of it or none", 202),
  deadDirected: post(
    "/api/jobs/dead",
    "maker",
    "Try dead work again, or drop it, by filter; preview",
  ),
  queues: get("/api/queues", "viewer", "Queues: what is ready, leased, dead, and how far behind"),
  queue: get("/api/queues/:queue", "viewer", "One queue"),
  queueJobs: get(
    "/api/queues/:queue/jobs",
    "viewer",
    "Its jobs; state=open|waiting|leased|ended|dead",
  ),
  queueSet: put("/api/queues/:queue", "operator", "Its policy: limits, retries, bounds"),
  queuePaused: post("/api/queues/:queue/pause", "operator", "Start nothing of it, or of one key"),
  queueResumed: post("/api/queues/:queue/resume", "operator", "Go on"),
  exec: post("/api/exec", "maker", "Run an allow-listed command and wait for its end"),
  // workflows and runs
  workflows: get("/api/workflows", "viewer", "Workflows by name, the newest first"),
  workflow: get("/api/workflows/:name", "viewer", "One workflow: versions, tags, its graph"),
  workflowKept: post(
    "/api/workflows",
    "maker",
    "Keep a version of a workflow; with check: true only say what is wrong with it",
    201,
  ),
  workflowTagged: put("/api/workflows/:name/tags/:tag", "maker", "Let a tag name a version"),
  workflowUntagged: del("/api/workflows/:name/tags/:tag", "maker", "Take a tag away"),
  workflowPatches: get(
    "/api/workflows/:name/patches",
    "viewer",
    "Patches of the workflow itself, the newest first, and how long any has waited",
  ),
  workflowPatch: get(
    "/api/workflows/:name/patches/:number",
    "viewer",
    "One of them: what became of it, and what it changed",
  ),
  workflowPatched: post(
    "/api/workflows/:name/patches",
    "maker",
    "Patch the workflow itself: taken now, made into a version with others; If-Match: REVISION",
    202,
  ),
  workflowPatchReverted: post(
    "/api/workflows/:name/revert",
    "maker",
    "Take a patch of the workflow back, by another one",
    202,
  ),
  library: get("/api/library", "viewer", "Patches of workflows that wait, and since when"),
  runStarted: post("/api/runs", "maker", "Start a workflow; answers before it has ended", 202),
  runsStarted: post(
    "/api/runs:batch",
    "maker",
    "Start many: one JSON object a line, one answer a line",
    202,
  ),
  runs: get(
    "/api/runs",
    "viewer",
    "Runs, the newest first; state=, workflow=, by=, from=, to=, text=, sort=cost, parent=",
  ),
  run: get("/api/runs/:id", "viewer", "One run with its nodes and its result"),
  runResult: get(
    "/api/runs/:id/result",
    "viewer",
    "What it came to: agents, syntheses, documents, artifacts; in pages",
  ),
  runTimeline: get("/api/runs/:id/timeline", "viewer", "What happened to it, in order"),
  runOutput: get(
    "/api/runs/:id/output",
    "viewer",
    "What one node gave, whole, also where it is kept as a blob; place=",
  ),
  runPatches: get("/api/runs/:id/patches", "viewer", "Its patches: who, why, what"),
  runCompared: get(
    "/api/runs/:id/compare",
    "viewer",
    "It beside another run: patches, graphs, nodes and results; with=RUN",
  ),
  runPatch: get("/api/runs/:id/patches/:number", "viewer", "One patch, and what it changed"),
  runEvents: {
    ...get("/api/runs/:id/events", "viewer", "Its live events; Last-Event-ID is a log position"),
    stream: "sse",
  },
  runCancelled: post("/api/runs/:id/cancel", "maker", "Cancel it; what was done is undone"),
  runPaused: post("/api/runs/:id/pause", "maker", "Begin no more nodes"),
  runResumed: post("/api/runs/:id/resume", "maker", "Go on"),
  runRetried: post("/api/runs/:id/retry", "maker", "Run it again from a node, with what was there"),
  runResolved: post(
    "/api/runs/:id/resolve",
    "maker",
    "Say what became of a node that was lost in the middle",
  ),
  runPatched: post("/api/runs/:id/patch", "maker", "Change its graph; If-Match: REVISION"),
  runPatchProposed: post(
    "/api/runs/:id/patches/propose",
    "maker",
    "Change it by a sentence; asks back where that may mean several things",
  ),
  runPatchReverted: post("/api/runs/:id/revert", "maker", "Take a patch back"),
  runRestored: post("/api/runs/:id/restore", "maker", "Bring its rows back from the archive"),
  runReplayed: post(
    "/api/runs/:id/replay",
    "maker",
    "Run it once more without any effect: freeze or shadow",
    202,
  ),
  goals: get("/api/goals", "viewer", "What is to become better; state="),
  goal: get("/api/goals/:id", "viewer", "One goal with its project and outcome"),
  goalProposed: post("/api/goals", "maker", "Propose one", 201),
  goalApproved: post("/api/goals/:id/approve", "operator", "Let a project work on it"),
  goalRejected: post("/api/goals/:id/reject", "operator", "Say why not"),
  goalTaskDone: post("/api/goals/:id/tasks/:number/done", "maker", "A task of its project is done"),
  standing: get("/api/standing", "viewer", "What the hub does by itself, and when it last did"),
  artifacts: get(
    "/api/artifacts",
    "viewer",
    "Artifacts and documents; run=, kind=, type=, by=, from=, to=, text=",
  ),
  artifact: get("/api/artifacts/:id", "viewer", "One artifact, and its files"),
  artifactContent: get(
    "/api/artifacts/:id/content",
    "viewer",
    "Its bytes; format=pdf of a document",
  ),
  artifactDropped: del("/api/artifacts/:id", "operator", "Take it off the list"),
  documentWritten: post(
    "/api/documents",
    "maker",
    "Write Markdown, blocks or a run's result as md, html, pdf, docx",
    201,
  ),
  approvals: get("/api/approvals", "viewer", "Questions of runs to people; state=open"),
  approval: get("/api/approvals/:id", "viewer", "One of them"),
  approvalPatch: get(
    "/api/approvals/:id/patch",
    "viewer",
    "What the patch that waits for it would change",
  ),
  approvalGiven: post("/api/approvals/:id/approve", "viewer", "Say yes, and why"),
  approvalDenied: post("/api/approvals/:id/reject", "viewer", "Say no, and why"),
  // webhooks
  webhooks: get("/api/webhooks", "operator", "Who is told of events, and how far each has come"),
  webhookMade: post(
    "/api/webhooks",
    "operator",
    "Post events there; the secret is shown once",
    201,
  ),
  webhook: get("/api/webhooks/:id", "operator", "One webhook"),
  webhookDeleted: del("/api/webhooks/:id", "operator", "Post nothing there any more"),
  webhookDead: get("/api/webhooks/:id/dead", "operator", "Events that it did not take"),
  webhookRedelivered: post(
    "/api/webhooks/:id/redeliver",
    "operator",
    "Try dead letters again: these, or all",
    202,
  ),
  // schedules
  schedules: get("/api/schedules", "viewer", "What runs by itself, and when next"),
  scheduleMade: post("/api/schedules", "operator", "Run something by the clock", 201),
  schedule: get("/api/schedules/:id", "viewer", "One schedule"),
  scheduleChanged: patch("/api/schedules/:id", "operator", "Change it; If-Match: REVISION"),
  scheduleDeleted: del("/api/schedules/:id", "operator", "Delete it and its history"),
  schedulePaused: post("/api/schedules/:id/pause", "operator", "Start nothing until resumed"),
  scheduleResumed: post("/api/schedules/:id/resume", "operator", "Go on from now"),
  scheduleRun: post("/api/schedules/:id/run", "operator", "Start it now, besides its times", 202),
  scheduleNext: get("/api/schedules/:id/next", "viewer", "Its next times; count="),
  scheduleHistory: get(
    "/api/schedules/:id/history",
    "viewer",
    "What was fired, what that started and how it ended",
  ),
  // agents and tools
  agentTurns: get("/api/agents", "viewer", "Turns of agents, the newest first"),
  agentStarted: post("/api/agents", "viewer", "Let a model work towards a goal with tools", 202),
  agentTurn: get("/api/agents/:id", "viewer", "One turn with its steps and what it cost"),
  agentCancelled: post("/api/agents/:id/cancel", "viewer", "Take no further step"),
  tools: get("/api/tools", "viewer", "Tools that your role may use, with their hazard classes"),
  toolCalled: post(
    "/api/tools/:tool",
    "viewer",
    "Use one tool; a dangerous one waits for a confirmation",
  ),
  mcpServers: get("/api/mcp/servers", "viewer", "Other MCP servers, and what was agreed to"),
  mcpToolApproved: post(
    "/api/mcp/servers/:server/approve",
    "admin",
    "Agree to a tool as it is described now, with a hazard class",
  ),
  mcpToolRemoved: del(
    "/api/mcp/servers/:server/approvals",
    "admin",
    "Agree no more: to one tool, or to all of the server",
  ),
  mcpPosted: post("/mcp", "viewer", "MCP, Streamable HTTP: a message of a client"),
  mcpStreamed: {
    ...get("/mcp", "viewer", "MCP, Streamable HTTP: messages of the server"),
    stream: "sse",
  },
  mcpEnded: del("/mcp", "viewer", "MCP, Streamable HTTP: end of a session"),
  // records
  audit: get("/api/audit", "operator", "Who did what, hash-chained"),
  analyticsSummary: get("/api/analytics/summary", "viewer", "Runs: how many, how well; from=, to="),
  analyticsWorkflows: get("/api/analytics/workflows", "viewer", "The same for each workflow"),
  costs: get("/api/analytics/costs", "viewer", "Answers, runs, tokens and money; from=, to="),
  budgets: get("/api/budgets", "viewer", "Budgets for cloud providers, and what is spent of them"),
  budgetSet: put("/api/budgets/:budget", "admin", "Set a budget for the day or the month"),
  budgetDropped: del("/api/budgets/:budget", "admin", "Drop a budget"),
  providers: get("/api/providers", "viewer", "Cloud providers, their models and prices"),
  events: {
    ...get("/api/events", "viewer", "Live events; Last-Event-ID is a log position"),
    stream: "sse",
  },
  flags: get("/api/flags", "viewer", "All flags"),
  flag: get("/api/flags/:key", "viewer", "One flag; consistency=linearizable|leader|local"),
  flagSet: put("/api/flags/:key", "operator", "Set a flag; If-Match: REVISION"),
  flagDeleted: del("/api/flags/:key", "operator", "Delete a flag; If-Match: REVISION"),
  // people, machines, cluster
  tokens: get("/api/tokens", "admin", "Tokens without their secrets"),
  tokenMade: post("/api/tokens", "admin", "Make a token; its secret is shown once", 201),
  tokenRevoked: del("/api/tokens/:id", "admin", "Revoke a token at once"),
  joinCodeMade: post("/api/nodes/join-codes", "admin", "A one-time code for a new machine", 201),
  clientSessionOpened: post(
    "/api/sessions",
    "viewer",
    "Open a session: requests with Gantry-Session: ID/SEQ have their effect once",
    201,
  ),
  clientSessionClosed: del("/api/sessions/:id", "viewer", "Close it; locks bound to it end"),
  registry: get("/api/registry", "viewer", "Machines, their state and what they can do; selector="),
  registryWatch: {
    ...get(
      "/api/registry/watch",
      "viewer",
      "Changes of the registry by revision; Last-Event-ID is a revision",
    ),
    stream: "sse",
  },
  locks: get("/api/locks", "viewer", "Who holds what, with which fencing token"),
  lock: get("/api/locks/:key", "viewer", "One lock"),
  lockAcquired: post(
    "/api/locks/:key",
    "operator",
    "Acquire a lock; 409 lock_held if it is held, unless wait is true",
  ),
  lockWaitCancelled: del("/api/locks/:key/wait", "operator", "Give up waiting for it; owner="),
  lockRenewed: put("/api/locks/:key", "operator", "Keep it alive for its life time from now"),
  lockReleased: del("/api/locks/:key", "operator", "Release it; token= as acquired"),
  cluster: get("/api/cluster", "viewer", "Hubs, the leader and how far each has come"),
  clusterHubAdded: post(
    "/api/cluster/hubs",
    "admin",
    "Add a hub: its cluster code is shown once",
    201,
  ),
  clusterHubsRemoved: post(
    "/api/cluster/remove",
    "admin",
    "Remove hubs; two voters are never left",
  ),
  clusterHubPromoted: post("/api/cluster/promote", "admin", "Make a learner a voter"),
  clusterTransferred: post("/api/cluster/transfer", "admin", "Hand leadership to another hub"),
  backup: get("/api/backup", "admin", "Everything as one file, while the cluster runs"),
  clusterExam: get(
    "/api/cluster/exam",
    "operator",
    "Do all hubs hold the same? Compares state hashes",
  ),
  // OpenAI
  chatCompletions: {
    ...post("/v1/chat/completions", "viewer", "OpenAI chat completions"),
    stream: "maybe",
  },
  completions: {
    ...post("/v1/completions", "viewer", "OpenAI completions: text goes on as it stands"),
    stream: "maybe",
  },
  embeddings: post("/v1/embeddings", "viewer", "OpenAI embeddings"),
  models: get("/v1/models", "viewer", "OpenAI model list"),
  model: get("/v1/models/:id", "viewer", "One model"),
  responseMade: {
    ...post("/v1/responses", "viewer", "OpenAI responses; kept unless store is false"),
    stream: "maybe",
  },
  response: get("/v1/responses/:id", "viewer", "A response that was kept"),
  responseItems: get("/v1/responses/:id/input_items", "viewer", "What it was asked"),
  responseDropped: del("/v1/responses/:id", "viewer", "Forget a response"),
  transcribed: post("/v1/audio/transcriptions", "viewer", "OpenAI: speech to text"),
  spoken: post("/v1/audio/speech", "viewer", "OpenAI: text to speech"),
  voiceClaimed: post("/api/voice/wake", "viewer", "Satellites: who heard it loudest answers"),
  // Anthropic
  messageMade: {
    ...post("/v1/messages", "viewer", "Anthropic messages"),
    stream: "maybe",
  },
  tokensCounted: post("/v1/messages/count_tokens", "viewer", "How many tokens a prompt has"),
  // Ollama; its /api/version is the slicers' (above), which says both versions
  ollamaTags: get("/api/tags", "viewer", "Ollama's: models"),
  ollamaPs: get("/api/ps", "viewer", "Ollama's: models that are ready"),
  ollamaShow: post("/api/show", "viewer", "Ollama's: one model"),
  ollamaChat: { ...post("/api/chat", "viewer", "Ollama's: chat, as NDJSON"), stream: "maybe" },
  ollamaGenerate: {
    ...post("/api/generate", "viewer", "Ollama's: one prompt, as NDJSON"),
    stream: "maybe",
  },
  ollamaEmbed: post("/api/embed", "viewer", "Ollama's: embeddings"),
  ollamaEmbeddings: post("/api/embeddings", "viewer", "Ollama's: one embedding, the older form"),
} as const satisfies Readonly<Record<string, Route>>;

export type RouteName = keyof typeof ROUTES;
