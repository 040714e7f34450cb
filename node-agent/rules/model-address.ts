// Where a model comes from: `hf:user/repository/file.gguf`, `hf:user/repository[:QUANTISATION]`, or
// an https address. Pure.
//
// A1. Plain http is taken only with a sha256 given (a mirror on the LAN) or from this machine itself.
// A2. The name on disk is made of safe characters only; no part of an address becomes a path.

import { GantryError } from "@gantry/shared/base/errors.ts";

export type ModelAddress =
  | { readonly kind: "file"; readonly url: string; readonly fileName: string }
  /** The file must be chosen from the repository's list. */
  | { readonly kind: "repository"; readonly repository: string; readonly quantisation: string };

export const HF_ENDPOINT = "https://huggingface.co";
const QUANTISATION_DEFAULT = "Q4_K_M";

/** Throws bad_request for what is no address of a GGUF file. */
export function parseModelAddress(uri: string, endpoint: string, hasSha256: boolean): ModelAddress {
  if (uri.startsWith("hf:")) return parseHubAddress(uri.slice(3), endpoint);
  const url = URL.parse(uri);
  if (url === null || !["https:", "http:"].includes(url.protocol)) {
    throw badAddress(uri, "use hf:user/repository/file.gguf or an https address");
  }
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol === "http:" && !hasSha256 && !isLocal) {
    throw badAddress(uri, "over plain http a sha256 must be given");
  }
  const name = decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
  return { kind: "file", url: url.href, fileName: safeFileName(uri, name) };
}

function parseHubAddress(rest: string, endpoint: string): ModelAddress {
  const match = /^([\w.-]+\/[\w.-]+)(?:\/([^:]+))?(?::([\w.-]+))?$/.exec(rest);
  const [, repository = "", file, quantisation = QUANTISATION_DEFAULT] = match ?? [];
  if (match === null || /(^|\/)\.\.?(\/|$)/.test(rest)) {
    throw badAddress(`hf:${rest}`, "use hf:user/repository/file.gguf");
  }
  if (file === undefined) return { kind: "repository", repository, quantisation };
  return hubFile(repository, file, endpoint);
}

/** One file of a repository. */
export function hubFile(repository: string, file: string, endpoint: string): ModelAddress {
  const path = file.split("/").map(encodeURIComponent).join("/");
  const url = `${endpoint.replace(/\/$/, "")}/${repository}/resolve/main/${path}`;
  return { kind: "file", url, fileName: safeFileName(file, file.split("/").at(-1) ?? "") };
}

/** The file of a repository's list that has the wanted quantisation. Throws not_found. */
export function chooseHubFile(files: readonly string[], quantisation: string): string {
  const wanted = quantisation.toLowerCase();
  const models = files.filter((name) => name.toLowerCase().endsWith(".gguf"));
  const fitting = models.filter((name) => name.toLowerCase().includes(wanted));
  const whole = fitting.filter((name) => !/-\d{5}-of-\d{5}\.gguf$/i.test(name));
  const chosen = whole.toSorted((a, b) => a.length - b.length)[0];
  if (chosen !== undefined) return chosen;
  const reason = fitting.length > 0 ? "only in several parts, which are not read" : "not there";
  throw new GantryError("not_found", `${quantisation} is ${reason}; there is ${models.join(", ")}`);
}

function safeFileName(uri: string, name: string): string {
  if (!/^[\w][\w.-]{0,200}\.gguf$/i.test(name)) throw badAddress(uri, "it must name a .gguf file");
  return name;
}

const badAddress = (uri: string, what: string): GantryError =>
  new GantryError("bad_request", `${uri.slice(0, 200)} is no address of a model: ${what}`, {
    details: { field: "uri" },
  });
