// node-llama-cpp behind our own words: one model, one context, N slots. Lives only in the child
// process of runners/llama-child.ts; the agent never imports this file (110 MB, notes/inference).
//
// E1. A slot serves one request at a time and keeps its KV cache for the next one (rules/slots.ts).
// E2. A prompt that does not leave room for one token is refused; maxTokens is cut to the room, so
//     the library's context shift, which silently forgets the beginning, never happens.
// E3. threads is always given: the library's own choice, max(4, cores), made 1 token/s out of 1,475
//     on two cores (measured).

import { performance } from "node:perf_hooks";
import { present } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { CALL_OPEN } from "@gantry/shared/contract/tool-text.ts";
import {
  type ChatHistoryItem,
  getLlama,
  InsufficientMemoryError,
  type Llama,
  LlamaChat,
  LlamaCompletion,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaGrammar,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
  TokenBias,
} from "node-llama-cpp";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import {
  type Confidence,
  confidenceTokens,
  type TokenGate,
  watchConfidence,
} from "./llama-confidence.ts";
import { readModelFile } from "./llama-file.ts";
import { openParking, type Parking } from "./llama-parking.ts";
import { logprobsOf } from "./llama-logprobs.ts";
import { chooseSlot } from "../rules/slots.ts";
import type {
  ChatMessage,
  Generation,
  LoadOptions,
  ModelFacts,
  PromptOptions,
} from "../runners/llama-protocol.ts";

export interface Engine {
  readonly facts: ModelFacts;
  /** Throws bad_request for a prompt that does not fit, busy when every slot is taken. */
  generate(
    prompt: PromptOptions,
    onText: (text: string) => void,
    signal: AbortSignal,
    pace: Pace,
  ): Promise<Generation>;
}

interface Slot {
  readonly sequence: LlamaContextSequence;
  /** Made once: resolving the chat wrapper takes 0.2 s each time (measured). */
  readonly writer:
    | { readonly kind: "chat"; readonly chat: LlamaChat }
    | { readonly kind: "plain"; readonly completion: LlamaCompletion };
  readonly confidence: Confidence;
  /** Continues text without roles; made at its first use. */
  raw: LlamaCompletion | undefined;
  /** The conversation that it read last, if it was one. */
  session: string | undefined;
  busy: boolean;
  usedAtMs: number;
}

interface Opened {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly slots: readonly Slot[];
  /** Left out: what a slot has read is lost when another conversation takes it. */
  readonly parking: Parking | undefined;
  readonly bias: () => TokenBias;
}

type ContextualPenalty = Exclude<
  Parameters<LlamaChat["generateResponse"]>[1],
  undefined
>["repeatPenalty"] extends infer P
  ? Exclude<P, false | undefined>
  : never;

type Outcome = {
  readonly text: string;
  readonly stopReason: string;
  readonly stoppedBy?: string;
};

/** Loads the model. Throws model_invalid for a file it cannot read, out_of_memory. 0.5 s and up. */
export async function openEngine(options: LoadOptions): Promise<Engine> {
  const startedMs = performance.now();
  await readModelFile(options.path, new AbortController().signal);
  const llama = await getLlama({
    gpu: options.gpu,
    build: "never",
    skipDownload: true,
    maxThreads: options.threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await loadModel(llama, options);
  const context = await openContext(model, options);
  const slots = openSlots(model, context);
  const { parkFolder, path } = options;
  const parking =
    parkFolder === undefined ? undefined : await openParking(parkFolder, path, context.contextSize);
  let made: TokenBias | undefined;
  const bias = (): TokenBias => (made ??= textOnly(model));
  const facts: ModelFacts = {
    slots: slots.length,
    contextTokens: context.contextSize,
    threads: options.threads,
    gpu: llama.gpu === false ? "none" : llama.gpu,
    hasChatTemplate: hasChatTemplate(model),
    memoryBytes: memoryBytes(model, context),
    loadMs: Math.round(performance.now() - startedMs),
  };
  return {
    facts,
    generate: (prompt, onText, signal, pace) =>
      generate({ llama, model, slots, parking, bias }, prompt, onText, signal, pace),
  };
}

async function loadModel(llama: Llama, options: LoadOptions): Promise<LlamaModel> {
  try {
    return await llama.loadModel({ modelPath: options.path });
  } catch (cause) {
    if (cause instanceof InsufficientMemoryError) throw outOfMemory(options, cause);
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new GantryError("model_invalid", `${options.path} is not a model: ${words}`, { cause });
  }
}

/** Halves the slots until they fit; a model that cannot hold even one is out_of_memory. */
async function openContext(model: LlamaModel, options: LoadOptions): Promise<LlamaContext> {
  const contextSize = Math.min(options.contextTokens, model.trainContextSize);
  for (let sequences = options.slots; ; sequences = Math.floor(sequences / 2)) {
    try {
      return await model.createContext({ contextSize, sequences, threads: options.threads });
    } catch (cause) {
      if (sequences <= 1) throw outOfMemory(options, cause);
    }
  }
}

function openSlots(model: LlamaModel, context: LlamaContext): Slot[] {
  const slots: Slot[] = [];
  let wrapper: LlamaChat["chatWrapper"] | "auto" = "auto";
  while (context.sequencesLeft > 0) {
    const sequence = context.getSequence();
    const confidence = watchConfidence(sequence); // before a writer takes the sequence
    let writer: Slot["writer"];
    if (hasChatTemplate(model)) {
      const chat: LlamaChat = new LlamaChat({ contextSequence: sequence, chatWrapper: wrapper });
      wrapper = chat.chatWrapper;
      writer = { kind: "chat", chat };
    } else {
      writer = { kind: "plain", completion: new LlamaCompletion({ contextSequence: sequence }) };
    }
    slots.push({
      sequence,
      writer,
      confidence,
      raw: undefined,
      session: undefined,
      busy: false,
      usedAtMs: 0,
    });
  }
  return slots;
}

async function generate(
  { llama, model, slots, parking, bias }: Opened,
  prompt: PromptOptions,
  onText: (text: string) => void,
  signal: AbortSignal,
  pace: Pace,
): Promise<Generation> {
  const startedMs = performance.now();
  const tokens = promptTokens(model, present(slots[0], "a slot"), prompt);
  if (prompt.isCount === true) return counted(tokens.length);
  const slot = takeSlot(slots, tokens, prompt.session);
  try {
    if (parking !== undefined) await changeSession(slot, parking, tokens, prompt.session);
    const roomTokens = slot.sequence.contextSize - tokens.length - 1;
    if (roomTokens < 1) throw tooLong(tokens.length, slot.sequence.contextSize);
    const before = slot.sequence.tokenMeter.getState();
    const { temperature, topLogprobs } = prompt;
    slot.confidence.begin(
      confidenceTokens(temperature, prompt.grammar !== undefined),
      topLogprobs,
      gateOf(pace, signal),
    );
    let firstTokenMs = 0;
    const outcome = await writeWithCalls(llama, slot, {
      ...prompt,
      maxTokens: Math.min(prompt.maxTokens, roomTokens),
      signal,
      onToken: () => (firstTokenMs ||= performance.now() - startedMs),
      onText,
      bias: () => biasOf(model, prompt, bias),
      said: "",
    });
    const used = slot.sequence.tokenMeter.diff(before);
    const confidence = slot.confidence.mean();
    return {
      text: outcome.text,
      finishReason: finishReason(outcome.stopReason),
      promptTokens: tokens.length,
      completionTokens: used.usedOutputTokens,
      // The last token is always computed, for its answer is what is asked for, and never counted.
      cachedTokens: Math.max(0, tokens.length - 1 - used.usedInputTokens),
      firstTokenMs: Math.round(firstTokenMs * 10) / 10,
      totalMs: Math.round((performance.now() - startedMs) * 10) / 10,
      ...(confidence === undefined ? {} : { confidence }),
      ...(outcome.stoppedBy === undefined ? {} : { stoppedBy: outcome.stoppedBy }),
      ...(topLogprobs === undefined
        ? {}
        : { logprobs: logprobsOf(model, slot.confidence.sampled(), outcome.text) }),
    };
  } finally {
    slot.busy = false;
    slot.usedAtMs = performance.now();
  }
}

/** Before the slot is another conversation's. Costs 1 ms for 4 MB of what it holds (measured). */
async function changeSession(
  slot: Slot,
  parking: Parking,
  tokens: Token[],
  session: string | undefined,
): Promise<void> {
  if (slot.session === session) return;
  if (slot.session !== undefined) await parking.park(slot.session, slot.sequence);
  slot.session = session;
  if (session === undefined) return;
  const known = slot.sequence.compareContextTokens(tokens).firstDifferentIndex;
  await parking.restore(session, slot.sequence, known);
}

const gateOf = (pace: Pace, signal: AbortSignal): TokenGate => ({
  get isHeld() {
    return pace.isHeld && !signal.aborted;
  },
  open: () => pace.open(signal),
});

const counted = (promptTokens: number): Generation => ({
  text: "",
  finishReason: "stop",
  promptTokens,
  completionTokens: 0,
  cachedTokens: 0,
  firstTokenMs: 0,
  totalMs: 0,
});

/** The prompt as the model will see it: for counting, for the room that is left, for the slot. */
function promptTokens(
  model: LlamaModel,
  slot: Slot,
  { messages, isRaw }: Pick<PromptOptions, "messages" | "isRaw">,
): Token[] {
  if (slot.writer.kind === "plain" || isRaw === true) {
    const tokens = model.tokenize(plainText(messages), false, "trimLeadingSpace");
    const { bos, shouldPrependBosToken } = model.tokens;
    return shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens;
  }
  const state = slot.writer.chat.chatWrapper.generateContextState({
    chatHistory: historyOf(messages),
  });
  return state.contextText.tokenize(model.tokenizer);
}

function takeSlot(slots: readonly Slot[], tokens: Token[], session: string | undefined): Slot {
  const views = slots.map(({ busy, usedAtMs, sequence, ...slot }) => ({
    busy,
    isOwn: session !== undefined && slot.session === session,
    usedAtMs,
    commonTokens: busy ? 0 : sequence.compareContextTokens(tokens).firstDifferentIndex,
  }));
  const index = chooseSlot(views, tokens.length);
  if (index === undefined) throw new GantryError("busy", "Every slot of the model is taken");
  const slot = present(slots[index], "the chosen slot");
  slot.busy = true;
  return slot;
}

interface WriteOptions extends PromptOptions {
  /** Undefined: no token is preferred or forbidden. */
  readonly bias: () => TokenBias | undefined;
  /** What of the answer stands already. */
  readonly said: string;
  readonly signal: AbortSignal;
  readonly onToken: () => void;
  readonly onText: (text: string) => void;
}

/**
 * Words at the model's full speed up to the first call of a tool, the calls by their grammar: a
 * grammar looks at the whole vocabulary for each token, and words need none.
 */
async function writeWithCalls(llama: Llama, slot: Slot, options: WriteOptions): Promise<Outcome> {
  const { calls, onText } = options;
  if (calls === undefined) return write(llama, slot, options);
  const meter = slot.sequence.tokenMeter.getState();
  const words: Outcome = calls.mustCall
    ? { text: "", stopReason: CALL_OPEN }
    : await write(llama, slot, { ...options, stop: [...options.stop, CALL_OPEN] });
  if (words.stopReason !== CALL_OPEN) return words;
  onText(CALL_OPEN);
  const said = words.text + CALL_OPEN;
  const usedTokens = slot.sequence.tokenMeter.diff(meter).usedOutputTokens;
  const maxTokens = options.maxTokens - usedTokens;
  if (maxTokens < 1) return { text: said, stopReason: "maxTokens" };
  const { grammar } = calls;
  // A stop inside of arguments would leave half of a call.
  const rest = await write(llama, slot, { ...options, maxTokens, said, grammar, stop: [] });
  return { text: said + rest.text, stopReason: rest.stopReason };
}

async function write(llama: Llama, slot: Slot, options: WriteOptions): Promise<Outcome> {
  if (options.signal.aborted) return { text: "", stopReason: "abort" };
  const bias = options.bias();
  const common = {
    maxTokens: options.maxTokens,
    temperature: options.temperature,
    topP: options.topP,
    customStopTriggers: options.stop,
    signal: options.signal,
    stopOnAbortSignal: true,
    onToken: options.onToken,
    onTextChunk: options.onText,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(bias === undefined ? {} : { tokenBias: bias }),
    ...penaltyOf(options),
    ...(options.grammar === undefined
      ? {}
      : { grammar: await openGrammar(llama, options.grammar) }),
  };
  try {
    const raw = rawWriter(slot, options.isRaw === true);
    if (raw !== undefined) {
      const text = plainText(options.messages) + options.said;
      const { response, metadata } = await raw.generateCompletionWithMeta(text, {
        ...common,
        disableContextShift: true,
        contextShiftSize: 1, // by default a tenth of the context, cut off the prompt's beginning
      });
      return { text: response, ...endOf(metadata) };
    }
    const history = historyOf(options.messages, options.said);
    const { chat } = slot.writer as Extract<Slot["writer"], { kind: "chat" }>; // else it is raw
    const { response, metadata } = await chat.generateResponse(history, common);
    return { text: response, ...endOf(metadata) };
  } catch (error) {
    // Aborted before the first token: the library throws instead of giving back no text.
    if (options.signal.aborted) return { text: "", stopReason: "abort" };
    throw error;
  }
}

/** Undefined: the model has roles, and they are asked for. */
function rawWriter(slot: Slot, isRaw: boolean): LlamaCompletion | undefined {
  if (slot.writer.kind === "plain") return slot.writer.completion;
  if (!isRaw) return undefined;
  slot.raw ??= new LlamaCompletion({ contextSequence: slot.sequence });
  return slot.raw;
}

/** The library's reason, but CALL_OPEN where the answer came to its first call. */
function endOf(metadata: {
  readonly stopReason: string;
  readonly customStopTrigger?: readonly unknown[];
}): Omit<Outcome, "text"> {
  const { stopReason, customStopTrigger } = metadata;
  if (customStopTrigger === undefined) return { stopReason };
  const stop = customStopTrigger.join("");
  return stop === CALL_OPEN ? { stopReason: CALL_OPEN } : { stopReason, stoppedBy: stop };
}

/** JSON repeats itself by nature: the library's own penalty would bend the values. */
function penaltyOf(options: WriteOptions): { readonly repeatPenalty?: false | ContextualPenalty } {
  const { grammar, presencePenalty, frequencyPenalty } = options;
  if (presencePenalty === undefined || frequencyPenalty === undefined)
    return grammar === undefined ? {} : { repeatPenalty: false };
  const lastTokens = options.maxTokens;
  return { repeatPenalty: { penalty: 1, presencePenalty, frequencyPenalty, lastTokens } };
}

async function openGrammar(llama: Llama, grammar: string): Promise<LlamaGrammar> {
  try {
    return await llama.createGrammar({ grammar });
  } catch (cause) {
    throw new GantryError("bad_request", "llama.cpp cannot read the schema's grammar", { cause });
  }
}

/**
 * Forbids what a grammar takes for text and the reader never sees: control tokens, whose names
 * (<s>, <|im_start|>) llama.cpp counts as characters, and bytes that no UTF-8 text has.
 */
function textOnly(model: LlamaModel): TokenBias {
  const bias = TokenBias.for(model);
  const names = model.fileInfo.metadata.tokenizer?.ggml?.tokens;
  for (const token of model.iterateAllTokens()) {
    const isControl = model.getTokenAttributes(token).control && !model.isEogToken(token);
    const isNoText = /^<0x(?:C[01]|F[5-9A-F])>$/.test(names?.[token] ?? "");
    if (isControl || isNoText) bias.set(token, "never");
  }
  return bias;
}

/** The bias of the caller; with a grammar, what is no text as well. */
function biasOf(
  model: LlamaModel,
  { grammar, calls, logitBias }: PromptOptions,
  noText: () => TokenBias,
): TokenBias | undefined {
  const isBound = grammar !== undefined || calls !== undefined;
  if (logitBias === undefined) return isBound ? noText() : undefined;
  const bias = isBound ? textOnly(model) : TokenBias.for(model);
  for (const [token, logit] of Object.entries(logitBias)) {
    const id = Number(token) as Token; // a number of the vocabulary, looked up by the caller
    bias.set(id, logit <= -100 ? "never" : { logit });
  }
  return bias;
}

function historyOf(messages: readonly ChatMessage[], said = ""): ChatHistoryItem[] {
  const history: ChatHistoryItem[] = messages.map(({ role, content }) =>
    role === "assistant" ? { type: "model", response: [content] } : { type: role, text: content },
  );
  // The wrapper writes the opening of the answer only for a last item that is the model's.
  return [...history, { type: "model", response: said === "" ? [] : [said] }];
}

/** A base model knows no roles: it continues the text. */
const plainText = (messages: readonly ChatMessage[]): string =>
  messages.map(({ content }) => content).join("\n");

function finishReason(stopReason: string): Generation["finishReason"] {
  if (stopReason === "abort") return "cancelled";
  return stopReason === "maxTokens" ? "length" : "stop";
}

const hasChatTemplate = (model: LlamaModel): boolean =>
  model.fileInfo.metadata.tokenizer?.chat_template !== undefined;

function memoryBytes(model: LlamaModel, context: LlamaContext): number {
  const parts = [model.memoryUsage, context.memoryUsage];
  return parts.reduce((sum, { ram, vram }) => sum + ram + vram, 0);
}

const outOfMemory = (options: LoadOptions, cause: unknown): GantryError =>
  new GantryError(
    "out_of_memory",
    `${options.path} does not fit with ${options.contextTokens} tokens of context; ` +
      "ask for fewer, or take a smaller model",
    { cause },
  );

const tooLong = (tokens: number, contextTokens: number): GantryError =>
  new GantryError(
    "bad_request",
    `The prompt has ${tokens} tokens and the model's context holds ${contextTokens}`,
    { details: { promptTokens: tokens, contextTokens } },
  );
