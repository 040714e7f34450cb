// The policy table: every retry, time-out, life time and bound in the house, in one place.
// GET /api/limits prints it. A number here is configuration when its owner passes another one in.

import type { Backoff } from "./backoff.ts";
import type { BreakerPolicy } from "./breaker.ts";

export interface RetryPolicy {
  readonly triesMax: number;
  /** For all tries and waits together; it wins over everything else. */
  readonly totalMs: number;
  /** For one try. */
  readonly tryMs: number;
  readonly backoff: Backoff;
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

export const RETRY = {
  interactive: {
    triesMax: 2,
    tryMs: 2 * second,
    totalMs: 2 * second,
    backoff: { firstMs: 100, factor: 2, maxMs: second, jitter: 0.5 },
  },
  nodeHop: {
    triesMax: 3,
    tryMs: 30 * second,
    totalMs: 90 * second,
    backoff: { firstMs: 4 * second, factor: 2, maxMs: 10 * second, jitter: 0.25 },
  },
  webhook: {
    triesMax: 4,
    tryMs: 10 * second,
    totalMs: minute,
    backoff: { firstMs: second, factor: 2, maxMs: 4 * second, jitter: 0.1 },
  },
  device: {
    triesMax: 3,
    tryMs: second,
    totalMs: 5 * second,
    backoff: { firstMs: 100, factor: 2, maxMs: second, jitter: 0.5 },
  },
  /** A file to a printer: over what an earlier try left there, and before anything is started. */
  printerUpload: {
    triesMax: 4,
    tryMs: 15 * minute,
    totalMs: 30 * minute,
    backoff: { firstMs: second, factor: 2, maxMs: 10 * second, jitter: 0.5 },
  },
  download: {
    triesMax: 5,
    tryMs: 10 * minute,
    totalMs: 6 * hour,
    backoff: { firstMs: second, factor: 2, maxMs: 30 * second, jitter: 0.5 },
  },
} as const satisfies Readonly<Record<string, RetryPolicy>>;

/** For links that are redialled for ever. */
export const RECONNECT: Backoff = { firstMs: 50, factor: 2, maxMs: 5 * second, jitter: 0.5 };

export const BREAKER: BreakerPolicy = {
  failuresToOpen: 5,
  openMs: minute,
  successesToClose: 3,
};

export const TIMEOUT = {
  /** One look around for devices. */
  discoverMs: 15 * second,
  /** For one machine to say how its printers are; the others do not wait for it. */
  fleetMachineMs: 5 * second,
  pictureMs: 5 * second,
  firstTokenMs: 30 * second,
  answerMs: 5 * minute,
  /** An answer whose reader takes nothing for so long is given up. */
  creditMs: 30 * second,
  fabricationCommandMs: minute,
  cadMs: 2 * minute,
  commandMs: minute,
  /** One file of a document. */
  documentMs: minute,
  proposeMs: 10 * second,
  /** For the log to say that a read sees everything; an election takes less. */
  readConfirmMs: second,
  /** For another MCP server to answer a greeting or say what it offers. */
  mcpConnectMs: 15 * second,
  /** For a tool of it. */
  mcpCallMs: minute,
  heartbeatMs: second,
  leaseMs: 5 * second,
  nodeRemovedMs: 72 * hour,
  /** How long a node that flaps is held in `suspect`, the first time; doubled each time after. */
  nodeHoldFirstMs: 30 * second,
  nodeHoldMaxMs: 15 * minute,
  /** Losses of a node this close together are one flapping. */
  nodeFlapWindowMs: 5 * minute,
  /** The longest that somebody may wait for a lock; less than answerMs, the limit between hubs. */
  lockWaitMs: 4 * minute,
  /** Between two records of how long locks still have. */
  lockCheckpointMs: 10 * second,
  /** The longest silence of a watch: a progress mark ends it. */
  watchProgressMs: 5 * second,
  stopMs: 10 * second,
  /** One piece of a blob or snapshot between hubs. */
  pieceMs: 5 * second,
  sseHeartbeatMs: 15 * second,
  /** So long a streamed answer may fail with a status of its own; then the stream begins. */
  streamBeginMs: 2 * second,
  /** A reader of a WebSocket that takes nothing for so long is dropped. */
  socketStuckMs: minute,
  /** Between the first word of its closing handshake and the end of the connection. */
  socketFarewellMs: second,
  /** For a printer on the network to be connected and to say how it is. */
  printerConnectMs: 15 * second,
  /** For its answer to a question or command; also the longest silence before it is asked again. */
  printerAnswerMs: 10 * second,
  /** For pause, resume and cancel, which run macros and may answer after them; an agent waits longer. */
  printerCommandMs: 45 * second,
  /** Between two questions to a printer that tells nothing by itself. */
  printerPollMs: second,
  /** An upload of which the printer takes nothing this long is given up. */
  printerStallMs: 30 * second,
  /** From the command that starts a job until the printer must show the job. */
  printerSettleMs: 30 * second,
  /** A job that the printer does not show any more may come back this long. */
  printerDoubtMs: 5 * second,
  /** It prints on without us; a job of which nothing is heard this long is a person's to decide. */
  printerLostMs: 15 * minute,
  /** From the first satellite that heard a wake phrase until the loudest is chosen. */
  wakeWindowMs: 250,
  /** After its last reader left, a door hears of events this long; who comes back finds its ring. */
  feedLingerMs: minute,
} as const;

export const LIFE = {
  confirmationMs: 5 * minute,
  confirmationNoticeMs: 4 * minute,
  approvalMs: 24 * hour,
  answerCacheMs: 12 * hour,
  /** What somebody said in passing; what was said to be remembered stays. */
  memoryMs: 365 * 24 * hour,
  idempotencyMs: 24 * hour,
  /** An event stream that carries nothing; its reader comes back with the last id it has. */
  streamIdleMs: hour,
  /** A goal that nobody has approved: reminded once, then over. */
  goalReminderMs: 7 * 24 * hour,
  goalMs: 14 * 24 * hour,
  /** A client session without a request. */
  clientSessionMs: 10 * minute,
  lockMs: 30 * second,
  /** A wait for a lock that names no time of its own. */
  lockWaitMs: 30 * second,
  joinCodeMs: 15 * minute,
  /** Files of a part, until the sweep of blobs; G-code that was printed stays with its print. */
  partFilesMs: 24 * hour,
  /** A response that was kept for previous_response_id; OpenAI's figure. */
  responseMs: 30 * 24 * hour,
  /** A question cut off by a crash is asked again if it is younger than this. */
  questionResumeMs: 10 * minute,
  /** Rows of an ended run are kept this long; then they are read from a compressed pack. */
  runHotMs: 7 * 24 * hour,
  /** From then on a run counts as archived; the oldest packs of these are dropped when there is no room. */
  runHistoryMs: 90 * 24 * hour,
} as const;

/** Each bound says in `whenFull` what happens at it. */
export const LIMIT = {
  bodyBytes: { max: 1_048_576, whenFull: "413 too_large" },
  gcodeBytes: { max: 268_435_456, whenFull: "413 too_large" },
  /** Pictures that slicers put into one file, and bytes of one. */
  thumbnails: { max: 8, whenFull: "further pictures of the file are passed over" },
  thumbnailBytes: { max: 262_144, whenFull: "the picture is passed over" },
  promptChars: { max: 100_000, whenFull: "400 bad_request" },
  historyMessages: { max: 20, whenFull: "older messages are left out of the model's context" },
  frameBytes: { max: 4_194_304, whenFull: "the connection is closed" },
  highJobs: { max: 1_000, whenFull: "429 busy" },
  normalJobs: { max: 10_000, whenFull: "429 busy" },
  lowJobs: { max: 50_000, whenFull: "429 busy" },
  queues: { max: 1_000, whenFull: "429 busy" },
  pausedKeys: { max: 1_000, whenFull: "429 busy" },
  /** Of one call or request; more go in several. */
  jobsInBatch: { max: 5_000, whenFull: "413 too_large" },
  /** Of one job's data; what is larger is a blob. */
  jobBytes: { max: 65_536, whenFull: "413 too_large" },
  jobKeys: { max: 100_000, whenFull: "the oldest key is dropped" },
  /** Jobs that a worker may hold at a time. */
  workCredit: { max: 4_096, whenFull: "400 bad_request" },
  /** Answers that were given on likeness and were wrong. */
  cacheBars: { max: 1_000, whenFull: "the oldest pair may be taken for alike again" },
  /** Of a question that is compared by likeness. */
  likenessChars: { max: 2_000, whenFull: "only the exact same question gets its answer again" },
  memories: { max: 20_000, whenFull: "429 busy; an answer is given and nothing remembered" },
  memoriesOfPerson: { max: 1_000, whenFull: "429 busy; an answer is given and nothing remembered" },
  memoryChars: { max: 500, whenFull: "400 bad_request; of a message, it is not remembered" },
  knowledge: { max: 50, whenFull: "429 busy" },
  /** Of one folder; a larger one is refused as a whole. */
  knowledgeDocuments: { max: 2_000, whenFull: "413 too_large: the folder is not refreshed" },
  knowledgeFileBytes: { max: 16_777_216, whenFull: "the file is a fault of its refresh" },
  /** Of all folders. */
  knowledgeChunks: { max: 50_000, whenFull: "further text is found by no search" },
  answersWaiting: { max: 64, whenFull: "429 busy" },
  /** Of one model on one machine: what its slots have read of conversations, in files. */
  parkedStates: { max: 64, whenFull: "the oldest is deleted: its conversation is read again" },
  /** Chunks of an answer that a hub lets a node send ahead of its reader. */
  chunkCredit: { max: 64, whenFull: "the model waits for its reader" },
  /** Of one model at the hub, over all people; each has answersWaiting of them at most. */
  modelQueue: { max: 256, whenFull: "429 busy, with the place and the time of a next one" },
  deskCalls: { max: 2_048, whenFull: "429 busy" },
  streams: { max: 500, whenFull: "429 busy" },
  /** What a reader of a stream may say over its WebSocket. */
  socketMessageBytes: { max: 1_024, whenFull: "the WebSocket is closed (1009)" },
  eventRing: { max: 10_000, whenFull: "the oldest event is dropped; a reader gets `gap`" },
  cacheRows: { max: 10_000, whenFull: "the oldest answer is dropped" },
  clientSessions: { max: 10_000, whenFull: "429 busy, after the expired ones have been dropped" },
  locks: { max: 10_000, whenFull: "429 busy" },
  lockQueue: { max: 64, whenFull: "429 busy" },
  /** Over all locks; fewer than deskCalls, or those who wait would keep out who releases. */
  lockWaits: { max: 1_000, whenFull: "429 busy" },
  deadlocks: { max: 32, whenFull: "the oldest leaves the list, not the audit log" },
  schedules: { max: 10_000, whenFull: "429 busy" },
  /** Firings kept of one schedule; costs of a day are summed over them, and bound its runs too. */
  scheduleHistory: { max: 200, whenFull: "the oldest firing leaves the history" },
  /** Instants that a hub counts as passed over; finding one takes up to 0.4 ms. */
  missedCounted: { max: 1_000, whenFull: "more are not counted" },
  catchUps: { max: 100, whenFull: "the oldest missed runs are passed over" },
  farmPrinters: { max: 500, whenFull: "429 busy" },
  spools: { max: 2_000, whenFull: "429 busy" },
  /** Files whose outcomes are counted. */
  farmFiles: {
    max: 10_000,
    whenFull: "the count of the file that was first seen longest ago is dropped",
  },
  /** Materials whose outcomes are counted. */
  farmMaterials: { max: 200, whenFull: "further ones are counted as `other`" },
  /** Of a printer or an order. */
  farmLabels: { max: 32, whenFull: "400 bad_request" },
  /** Waiting prints that the farm's board tells the reasons of. */
  farmBoard: { max: 500, whenFull: "those that come later are counted, not listed" },
  /** That one look around may find. */
  foundDevices: { max: 200, whenFull: "further ones are left out" },
  /** Looks at all printers that are kept: a week of one every 4 h. */
  fleetChecks: { max: 42, whenFull: "the oldest is dropped" },
  /** Of a file, for the picture of a layer. */
  layerBytes: { max: 33_554_432, whenFull: "layers behind that are not drawn" },
  /** Lines of one picture. */
  layerLines: { max: 20_000, whenFull: "every second one is drawn, and so on" },
  /** Of which the last picture is in memory. */
  cameras: { max: 64, whenFull: "the one that was looked at longest ago is forgotten" },
  /** Streams of cameras, for each door. */
  cameraViewers: { max: 32, whenFull: "429 busy" },
  /** Of a camera, one picture. */
  pictureBytes: { max: 2_097_152, whenFull: "413 too_large" },
  webhooks: { max: 200, whenFull: "429 busy" },
  /** Of one webhook. */
  deadLetters: { max: 200, whenFull: "the oldest dead letter is dropped" },
  patchOperations: { max: 1_000, whenFull: "413 too_large" },
  /** Of a document: its strings and keys in characters, and 8 for each value. */
  documentWeight: { max: 4_194_304, whenFull: "413 too_large" },
  documentDepth: { max: 64, whenFull: "413 too_large" },
  /** A whole workflow, the bodies of its maps and loops included. */
  workflowNodes: { max: 5_000, whenFull: "422 workflow_invalid, too_many_nodes" },
  workflowEdges: { max: 20_000, whenFull: "422 workflow_invalid, too_many_edges" },
  /** Maps and loops within each other. */
  workflowDepth: { max: 8, whenFull: "422 workflow_invalid, too_deep" },
  workflowFaults: { max: 100, whenFull: "the rest is not told" },
  celChars: { max: 10_000, whenFull: "cel_too_large" },
  celNodes: { max: 2_000, whenFull: "cel_too_large" },
  celDepth: { max: 64, whenFull: "cel_too_large" },
  /** Of one expression or function; a step is about 20 to 100 ns. */
  celSteps: { max: 50_000, whenFull: "the node fails with cel_too_costly" },
  /** Of one fact: what a run computes by itself before it lets others have a turn. */
  runSteps: { max: 20_000, whenFull: "the rest is a `continue` of its own" },
  /** Of JSON, of what an executor gives. */
  runOutputBytes: { max: 32_768, whenFull: "it becomes a blob, and the run holds its name" },
  /** Characters and 8 for each value, of what the engine itself computes: it cannot write blobs. */
  runValueWeight: { max: 262_144, whenFull: "the node fails with output_too_large" },
  runFrames: { max: 100_000, whenFull: "the map or loop fails with too_many_frames" },
  mapItems: { max: 10_000, whenFull: "the map fails with too_many_items" },
  /** Of executors, one after the other, of one node. */
  nodeLosses: { max: 10, whenFull: "the node fails with lost" },
  nodeFlaps: { max: 16, whenFull: "the oldest loss of a node is forgotten" },
  selectorChars: { max: 1_000, whenFull: "400 bad_selector" },
  selectorTerms: { max: 32, whenFull: "400 bad_selector" },
  watchRing: {
    max: 10_000,
    whenFull: "the oldest change is dropped; who needs it gets a snapshot",
  },
  watchLag: { max: 4_096, whenFull: "the watcher is told `compacted` and gets a snapshot" },
  registryCalls: { max: 20_000, whenFull: "429 busy" },
  registryWatches: { max: 4_096, whenFull: "429 busy" },
  replays: { max: 100_000, whenFull: "the oldest key is dropped" },
  conversationsHot: { max: 1_000, whenFull: "the least used leaves memory, not the disk" },
  proposalsWaiting: { max: 20_000, whenFull: "429 busy" },
  /** 10,000 readers that wait are a quarter of a second of reads (40,000/s measured, notes 1.3). */
  readsWaiting: { max: 10_000, whenFull: "429 busy" },
  /** Of one command's JSON: an entry that no frame holds could never reach another hub. */
  commandBytes: { max: 4_128_768, whenFull: "413 too_large: send less at a time" },
  batchCommands: { max: 4_096, whenFull: "the rest goes into the next batch" },
  batchBytes: { max: 1_048_576, whenFull: "the rest goes into the next batch" },
  runs: { max: 100_000, whenFull: "429 busy: so many are not over" },
  runStarts: { max: 10_000, whenFull: "413 too_large: send the rest in another request" },
  runInputBytes: { max: 65_536, whenFull: "413 too_large" },
  /** That are open. */
  goals: { max: 1_000, whenFull: "429 busy; what is found is left for the next week" },
  /** Spans in memory, those of one trace, things whose trace is known, and spans on their way out. */
  spans: { max: 20_000, whenFull: "the trace recorded longest ago is dropped" },
  traceSpans: { max: 1_000, whenFull: "its oldest span is dropped" },
  spanLinks: { max: 20_000, whenFull: "the oldest is not followed any more" },
  spansWaiting: { max: 10_000, whenFull: "the span is not exported, and counted" },
  /** Nodes that one step of a run begins, as its timeline tells them. */
  timelineItems: { max: 200, whenFull: "the rest is in the timeline by its end alone" },
  runDepth: { max: 8, whenFull: "the subworkflow's node fails with spawn_limit" },
  /** Of one run, those of its children too. */
  runSpawns: { max: 1_000, whenFull: "the subworkflow's node fails with spawn_limit" },
  runPatches: { max: 1_000, whenFull: "409 conflict" },
  /** Distinct words of one run by which it is found. */
  runWords: { max: 12, whenFull: "a search does not find the run by its further words" },
  /** Distinct words of what one run gave. */
  runResultWords: { max: 12, whenFull: "a search does not find the run by its further words" },
  /** Entries of an index looked at for one page. */
  runLooks: { max: 2_000, whenFull: "the page ends there; its `next` goes on" },
  /** Events of the past looked at for one page. */
  eventLooks: { max: 20_000, whenFull: "the page ends there; its `next` goes on" },
  /** Rows of sums that one question about runs may read: days, times workflows, times people. */
  runSums: { max: 100_000, whenFull: "413 too_large: ask for fewer days" },
  /** Of faults in one sum; the rest is counted as `other`. */
  runFaultCodes: { max: 64, whenFull: "further codes are counted as `other`" },
  /** Rows of ended runs that are not packed, by a sample of them. */
  runRowBytes: { max: 4_294_967_296, whenFull: "the oldest are packed before their time" },
  /** Rows of one run; a larger one stays as rows. */
  runPackedBytes: { max: 33_554_432, whenFull: "the run is not packed" },
  /** All packs. */
  runPackBytes: {
    max: 17_179_869_184,
    whenFull: "the oldest are dropped: 410 gone, the runs stay in lists and sums",
  },
  runCache: { max: 1_000, whenFull: "the oldest output of a pure node is forgotten" },
  /** Agents of one run at a time, unless its workflow says another number. */
  runAgents: { max: 10, whenFull: "the next one begins when one has ended" },
  runCalls: { max: 256, whenFull: "HTTP and agent nodes wait for one to end" },
  /** Of a document that is written, and of the Markdown that one is read from. */
  documentBlocks: { max: 10_000, whenFull: "413 too_large" },
  documentChars: { max: 2_000_000, whenFull: "413 too_large" },
  /** All pictures of one document. */
  documentImageBytes: { max: 8_388_608, whenFull: "413 too_large" },
  /** One written file. */
  documentFileBytes: { max: 33_554_432, whenFull: "413 too_large" },
  /** Distinct words of one document by which it is found. */
  documentWords: { max: 500, whenFull: "a search does not find the document by its further words" },
  /** Agents of a run whose results are written into one document. */
  documentAgents: { max: 200, whenFull: "the document says how many more there are" },
  /** That wait to be written; one is written at a time. */
  documentsWaiting: { max: 32, whenFull: "429 busy" },
  /** Artifacts and documents that can be listed, and the bytes of their values in the ledger. */
  artifacts: { max: 100_000, whenFull: "the oldest leaves the list" },
  artifactBytes: { max: 1_073_741_824, whenFull: "the oldest leaves the list" },
  /** Of a graph's canonical JSON. */
  definitionBytes: { max: 1_000_000, whenFull: "413 too_large" },
  workflowVersions: { max: 1_000, whenFull: "the oldest without a tag leaves the list" },
  /** A graph, its states and a wish, as a model gets them. */
  proposalChars: { max: 60_000, whenFull: "413 too_large: send operations instead" },
  /** Of all workflows, until they are made into versions. */
  libraryPatches: { max: 500, whenFull: "429 busy" },
  /** Patches of one workflow that can still be read and taken back. */
  libraryHistory: { max: 1_000, whenFull: "the oldest is forgotten; the version it made stays" },
  workflowTags: { max: 100, whenFull: "409 conflict" },
  planCache: { max: 1_000, whenFull: "the plan used longest ago is made anew when needed" },
  /** Of one message of a printer on the network. */
  printerReplyBytes: { max: 2_097_152, whenFull: "the connection to the printer is closed" },
  /** Messages, power devices and spools that are told of one printer, each. */
  printerFacts: { max: 16, whenFull: "the rest is not told" },
  /** Of one model: STL, 3MF as it comes and when unpacked. */
  modelBytes: { max: 67_108_864, whenFull: "413 too_large" },
  /** 1.3 million are a binary STL of modelBytes. */
  meshTriangles: { max: 1_300_000, whenFull: "413 too_large" },
  /** That nodes are sending to a hub. */
  partFiles: { max: 64, whenFull: "429 busy" },
  /** Of a program in OpenSCAD that a person wrote. */
  cadSourceChars: { max: 65_536, whenFull: "413 too_large" },
  /** Turns of agents that have not ended. */
  agentTurns: { max: 1_000, whenFull: "429 busy" },
  /** Turns that can still be read. */
  agentHistory: { max: 10_000, whenFull: "the turn begun longest ago is forgotten" },
  /** Turns that work at the same time; a turn that waits for a person takes no place. */
  agentsAtWork: { max: 4, whenFull: "further turns wait for a place" },
  agentSteps: { max: 64, whenFull: "the turn fails with budget_spent" },
  agentGoalChars: { max: 20_000, whenFull: "400 bad_request" },
  agentVoices: { max: 5, whenFull: "400 bad_request" },
  agentArgumentsBytes: { max: 32_768, whenFull: "the step is refused: 413 too_large" },
  /** Of what a tool gave, as a turn keeps it and a model reads it. */
  agentResultChars: { max: 4_000, whenFull: "the rest is cut off, and the result says so" },
  mcpSessions: { max: 200, whenFull: "the session used longest ago is closed" },
  /** Of one session, for streams that broke. */
  mcpEvents: { max: 1_000, whenFull: "the oldest is dropped; a stream resumes after what is left" },
  /** Of one answer or stream of another MCP server. */
  mcpStreamBytes: { max: 16_777_216, whenFull: "the stream is broken off, and begun anew" },
  mcpSubscriptions: { max: 200, whenFull: "the request is refused" },
  mcpServers: { max: 16, whenFull: "bad_config" },
  /** Of one server; and characters of one description with its schemas. */
  mcpTools: { max: 200, whenFull: "further tools of the server are not offered" },
  mcpToolChars: { max: 32_768, whenFull: "the tool is not offered" },
  /** Of one answer of a cloud provider, with the words around it. */
  cloudAnswerBytes: { max: 16_777_216, whenFull: "413 too_large" },
  budgets: { max: 1_000, whenFull: "429 busy" },
  /** Calls of cloud providers that are not settled. */
  reservations: { max: 1_000, whenFull: "429 busy" },
  /** Of an answer whose asker named no bound. */
  /** Satellites that woke at once: of one room, and rooms. */
  wakeClaims: { max: 64, whenFull: "429 busy; the satellite answers by itself" },
  answerTokens: { max: 1_024, whenFull: "finish_reason is length" },
  /** The most that an asker gets; the model's context and answerMs bound it as well. */
  answerTokensAsked: { max: 32_768, whenFull: "finish_reason is length" },
  /** Of one request (`n`). */
  choices: { max: 16, whenFull: "400 bad_request" },
  /** Answers of models under way for one token, by one door: x-ratelimit-limit-requests. */
  modelCalls: { max: 256, whenFull: "429 busy" },
  /** Offered with one request. */
  tools: { max: 128, whenFull: "400 bad_request" },
  /** Responses that are kept (`store`), of everybody. */
  responses: { max: 10_000, whenFull: "the oldest response is dropped" },
  /** Of one kept response, with what it was asked. */
  responseBytes: { max: 524_288, whenFull: "413 too_large: send store: false" },
  /** Responses behind a previous_response_id. */
  responseChain: { max: 100, whenFull: "400 bad_request" },
  /** Of one recording; as text it still fits a frame between hubs and to an agent. */
  audioBytes: { max: 3_000_000, whenFull: "413 too_large" },
} as const;

export type LimitName = keyof typeof LIMIT;
