// The tokens of an answer with their probabilities, as people see them: text and bytes.

import type { TokenChance, TokenLogprob } from "@gantry/shared/contract/completions.ts";
import type { LlamaModel, Token } from "node-llama-cpp";
import type { SampledToken } from "./llama-confidence.ts";

/** OpenAI's word for "it could not be". */
const IMPOSSIBLE = -9_999;
const REPLACEMENT = "\uFFFD";

/** Of the tokens that `text` is made of: what ended it (its end mark, a stop) is no part of it. */
export function logprobsOf(
  model: LlamaModel,
  sampled: readonly SampledToken[],
  text: string,
): TokenLogprob[] {
  const names = model.fileInfo.metadata.tokenizer?.ggml?.tokens;
  const textBytes = Buffer.byteLength(text);
  const shown: TokenLogprob[] = [];
  let sizeBytes = 0;
  let before: Token[] = [];
  for (const { token, probability, top } of sampled) {
    if (model.isEogToken(token) || sizeBytes >= textBytes) continue;
    const last = before;
    const chance = (id: Token, share: number): TokenChance => {
      const name = names?.[id];
      const piece = model.detokenize([id], false, last);
      const bytes = bytesOf(piece, name);
      return { token: piece, logprob: logOf(share), bytes };
    };
    const own = chance(token, probability);
    shown.push({ ...own, top: top.map(([id, share]) => chance(id, share)) });
    sizeBytes += own.bytes?.length ?? 1;
    before = [token];
  }
  return shown;
}

/** A token may be one byte of a character; then its name says which. */
function bytesOf(piece: string, name: string | undefined): readonly number[] | null {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(name ?? "")?.[1];
  if (byte !== undefined) return [Number.parseInt(byte, 16)];
  return piece.includes(REPLACEMENT) ? null : [...Buffer.from(piece)];
}

const logOf = (probability: number): number =>
  probability > 0 ? Math.round(Math.log(probability) * 1e6) / 1e6 : IMPOSSIBLE;
