// Reads the configuration of each program from its environment. Pure: the environment and the way to
// read a file are arguments; each tower's own config.ts hands in the real ones.
//
// CF1. All faults are found before any is thrown, so that a person mends them in one go.
// CF2. A secret comes from exactly one place: NAME, NAME_FILE or $CREDENTIALS_DIRECTORY/NAME.
// CF3. A GANTRY_ variable that nobody knows is a fault: a typing error never becomes a default.
// CF4. No fault, message or description holds the text of a secret.

import { GantryError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import {
  type Kind,
  type Kinds,
  type Program,
  type Variable,
  type VariableName,
  VARIABLES,
} from "./variables.ts";
import { faultOf, parseValue, redacted } from "./variable-kinds.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
/** The text of a file; undefined where there is none. Other failures may throw. */
export type ReadText = (path: string) => string | undefined;

type Table = typeof VARIABLES;
type NamesOf<P extends Program> = {
  [N in VariableName]: P extends Table[N]["readBy"][number] ? N : never;
}[VariableName];
type ValueOf<V extends Variable> =
  | Kinds[V["kind"]]
  | (V extends { readonly default: string } ? never : undefined);

/** Every field of one program; undefined where nothing is set and there is no default. */
export type ConfigOf<P extends Program> = {
  readonly [N in NamesOf<P> as Table[N]["field"]]: ValueOf<Table[N]>;
};
export type HubConfig = ConfigOf<"hub">;
export type AgentConfig = ConfigOf<"agent"> & { readonly bridgeSocket: string };
export type BridgeConfig = ConfigOf<"bridge"> & { readonly bridgeSocket: string };
export type ClientConfig = ConfigOf<"client">;

/** Where a value came from. */
export type Source = "default" | "environment" | "file" | "credential" | "unset";

export interface ConfigFault {
  readonly variable: string;
  readonly message: string;
}

/** Throws bad_config with `details.faults`: every fault at once. */
export const readHubConfig = (env: Environment, readText: ReadText): HubConfig =>
  readConfig("hub", env, readText);

/** Throws bad_config. `bridgeSocket` is filled in from the data folder. */
export const readAgentConfig = (env: Environment, readText: ReadText): AgentConfig =>
  withSocket(readConfig("agent", env, readText));

/** Throws bad_config. `bridgeSocket` is filled in from the data folder. */
export const readBridgeConfig = (env: Environment, readText: ReadText): BridgeConfig =>
  withSocket(readConfig("bridge", env, readText));

/** Throws bad_config. */
export const readClientConfig = (env: Environment, readText: ReadText): ClientConfig =>
  readConfig("client", env, readText);

/** The configuration of one program. Throws bad_config with `details.faults`. */
export function readConfig<P extends Program>(
  program: P,
  env: Environment,
  readText: ReadText,
): ConfigOf<P> {
  const findings = survey([program], env, readText);
  const faults = faultsOf(findings, env);
  if (faults.length > 0) throw badConfig(faults);
  const fields = findings.map(({ variable, value }) => [variable.field, value]);
  // The table gives each field the kind that its type says; parseValue upholds it.
  return Object.fromEntries(fields) as ConfigOf<P>;
}

export interface ConfigRow {
  readonly name: string;
  /** Secrets are shown as `(set)`. */
  readonly value: string;
  readonly source: Source;
  readonly meaning: string;
  readonly readBy: readonly Program[];
  readonly fault?: string;
}

/** Every variable of these programs for people, with faults in place and secrets redacted. */
export function describeConfig(
  programs: readonly Program[],
  env: Environment,
  readText: ReadText,
): { readonly rows: readonly ConfigRow[]; readonly faults: readonly ConfigFault[] } {
  const findings = survey(programs, env, readText);
  const faults = faultsOf(findings, env);
  const rows = findings.map((finding) => describe(finding, faults));
  return { rows, faults };
}

// ── finding values ──────────────────────────────────────────────────────────────────────────────

interface Finding {
  readonly name: VariableName;
  readonly variable: Variable;
  readonly source: Source;
  readonly raw: string | undefined;
  readonly value: Kinds[Kind] | undefined;
  readonly fault: string | undefined;
}

function survey(programs: readonly Program[], env: Environment, readText: ReadText): Finding[] {
  return Object.entries<Variable>(VARIABLES)
    .filter(([, variable]) => variable.readBy.some((program) => programs.includes(program)))
    .map(([name, variable]) => find(name as VariableName, variable, env, readText));
}

function find(
  name: VariableName,
  variable: Variable,
  env: Environment,
  readText: ReadText,
): Finding {
  const places = variable.kind === "secret" ? secretPlaces(name, env, readText) : plain(name, env);
  const [place, second] = places;
  const base = { name, variable, value: undefined, raw: undefined };
  if (second !== undefined) {
    const where = places.map((one) => one.where).join(" and ");
    return { ...base, source: "environment", fault: `is given twice, by ${where}: keep one` };
  }
  if (place?.text === undefined && place !== undefined) {
    return { ...base, source: place.source, fault: `${place.where} cannot be read or is empty` };
  }
  const raw = place?.text ?? variable.default;
  if (raw === undefined) return { ...base, source: "unset", fault: undefined };
  const source = place?.source ?? "default";
  const fault = faultOf(variable, raw);
  if (fault !== undefined) return { ...base, raw, source, fault };
  return { ...base, raw, source, fault, value: parseValue(variable, raw) };
}

interface Place {
  readonly source: Source;
  readonly where: string;
  /** Undefined: named, but not there. */
  readonly text: string | undefined;
}

/** An empty variable counts as unset, as systemd and shells leave it behind. */
function plain(name: string, env: Environment): Place[] {
  const text = env[name]?.trim();
  return text ? [{ source: "environment", where: name, text }] : [];
}

function secretPlaces(name: string, env: Environment, readText: ReadText): Place[] {
  const places = plain(name, env);
  const path = env[`${name}_FILE`]?.trim();
  if (path) {
    places.push({ source: "file", where: `${name}_FILE`, text: textOf(path, readText) });
  }
  const folder = env["CREDENTIALS_DIRECTORY"];
  const credential = folder ? textOf(`${folder}/${name}`, readText) : undefined;
  if (credential !== undefined) {
    places.push({ source: "credential", where: "$CREDENTIALS_DIRECTORY", text: credential });
  }
  return places;
}

/** Undefined for a missing, an unreadable and an empty file: none of them gives a secret. */
function textOf(path: string, readText: ReadText): string | undefined {
  try {
    return readText(path)?.trim() || undefined;
  } catch {
    return undefined;
  }
}

// ── faults ──────────────────────────────────────────────────────────────────────────────────────

function faultsOf(findings: readonly Finding[], env: Environment): ConfigFault[] {
  const faults = findings.flatMap(({ name, fault }) =>
    fault === undefined ? [] : [{ variable: name, message: fault }],
  );
  return [...faults, ...unknownNames(env), ...disagreements(findings)];
}

function unknownNames(env: Environment): ConfigFault[] {
  const known = new Set<string>(Object.keys(VARIABLES));
  const allowed = new Set(known);
  for (const [name, variable] of Object.entries<Variable>(VARIABLES)) {
    if (variable.kind === "secret") allowed.add(`${name}_FILE`);
  }
  return Object.keys(env)
    .filter((name) => name.startsWith("GANTRY_") && !allowed.has(name))
    .map((name) => {
      const meant = nearest(name, allowed);
      const question = meant === undefined ? "" : `; did you mean ${meant}?`;
      return { variable: name, message: `is not known${question}` };
    });
}

/** What each value allows by itself but not together. Only among what these programs read. */
function disagreements(findings: readonly Finding[]): ConfigFault[] {
  const byField = new Map(findings.map((finding) => [finding.variable.field, finding]));
  const value = (field: string): unknown => byField.get(field)?.value;
  const faults: ConfigFault[] = [];
  const isHub = byField.has("allowPlainHttp");
  const hasTls = value("tlsCert") !== undefined && value("tlsKey") !== undefined;
  if (isHub && (value("tlsCert") === undefined) !== (value("tlsKey") === undefined)) {
    faults.push({ variable: "GANTRY_TLS_CERT", message: "needs GANTRY_TLS_KEY, and it this one" });
  }
  if (isHub && !hasTls && value("allowPlainHttp") !== true && !isLoopback(value("httpHost"))) {
    faults.push({
      variable: "GANTRY_HTTP_HOST",
      message:
        "is not loopback: set GANTRY_TLS_CERT and GANTRY_TLS_KEY, or GANTRY_ALLOW_PLAIN_HTTP=1",
    });
  }
  const port = byField.get("mqttPort");
  if (value("mqttUrl") !== undefined && port?.source === "environment" && port.value !== "off") {
    faults.push({ variable: "GANTRY_MQTT_URL", message: "excludes GANTRY_MQTT_PORT: keep one" });
  }
  return faults;
}

/** 127.0.0.0/8, ::1 and localhost. An absent host is another fault's business. */
export function isLoopback(host: unknown): boolean {
  if (typeof host !== "string") return true;
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

const badConfig = (faults: readonly ConfigFault[]): GantryError =>
  new GantryError(
    "bad_config",
    faults.map(({ variable, message }) => `${variable} ${message}`).join("\n"),
    { details: { faults } },
  );

// ── showing and completing ──────────────────────────────────────────────────────────────────────

function describe(finding: Finding, faults: readonly ConfigFault[]): ConfigRow {
  const { name, variable, source, raw } = finding;
  const own = faults.filter((fault) => fault.variable === name).map((fault) => fault.message);
  const row = { name, source, meaning: variable.meaning, readBy: variable.readBy };
  const value = raw === undefined ? `(${variable.otherwise ?? "none"})` : redacted(variable, raw);
  const shown = { ...row, value };
  return own.length === 0 ? shown : { ...shown, fault: own.join("; ") };
}

function withSocket<
  T extends { readonly dataDir: string; readonly bridgeSocket: string | undefined },
>(config: T): T & { readonly bridgeSocket: string } {
  return { ...config, bridgeSocket: config.bridgeSocket ?? `${config.dataDir}/bridge/bridge.sock` };
}
