// The small parts that all pages are made of.

import type { ButtonHTMLAttributes, ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { percent, words } from "../core/format.ts";
import type { Problem } from "../core/views.ts";

export type Tone = "plain" | "good" | "info" | "warn" | "bad";

export interface ButtonProps extends Omit<ButtonHTMLAttributes, "class"> {
  readonly look?: "plain" | "primary" | "danger" | "quiet";
  /** Added to the look. */
  readonly class?: string;
}

export function Button({ look = "plain", class: extra, children, ...rest }: ButtonProps) {
  return (
    <button type="button" class={`button ${look} ${extra ?? ""}`} {...rest}>
      {children}
    </button>
  );
}

export interface CardProps {
  readonly title: string;
  /** Beside the title: a badge, a link. */
  readonly aside?: ComponentChildren;
  readonly tone?: Tone;
  readonly level?: 2 | 3;
  readonly children: ComponentChildren;
}

/** A region with a heading that names it. */
export function Card({ title, aside, tone = "plain", level = 2, children }: CardProps) {
  const id = useId();
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <section class={`card tone-${tone}`} aria-labelledby={id}>
      <header class="card-head">
        <Heading id={id}>{title}</Heading>
        {aside !== undefined && <div class="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

export function Badge({ tone = "plain", children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge tone-${tone}`}>{children}</span>;
}

const STATE_TONES: Readonly<Record<string, Tone>> = {
  awaiting: "warn",
  running: "info",
  waiting: "warn",
  undoing: "warn",
  approved: "good",
  rejected: "bad",
  open: "warn",
  ready: "info",
  leased: "info",
  printing: "info",
  heating: "info",
  paused: "warn",
  done: "good",
  alive: "good",
  consumed: "good",
  suspect: "warn",
  interrupted: "bad",
  unknown: "bad",
  failed: "bad",
  fault: "bad",
  stopped: "bad",
  down: "bad",
};

/** The state of a print, a job, a device or a machine, always with its word. */
export function StateBadge({ state }: { readonly state: string }) {
  return <Badge tone={STATE_TONES[state] ?? "plain"}>{words(state)}</Badge>;
}

/** `value` 0..1; `label` says of what. */
export function Progress({ value, label }: { readonly value: number; readonly label: string }) {
  return (
    <div class="progress">
      <progress max={1} value={value} aria-label={label} />
      <span class="number">{percent(value)}</span>
    </div>
  );
}

/** Names and values in two columns. Rows without a value are left out. */
export function Facts({
  rows,
}: {
  readonly rows: readonly (readonly [string, ComponentChildren | undefined])[];
}) {
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value !== undefined && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Nothing here, and the command that changes that. */
export function Empty({ children, command }: { children: ComponentChildren; command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command !== undefined && <code class="command">{command}</code>}
    </div>
  );
}

/** Why it failed and what to do; spoken at once. */
export function ProblemNote({ problem }: { readonly problem: Problem }) {
  const line = problem.details?.["line"];
  return (
    <div class="problem" role="alert">
      <strong>{problem.title}</strong>
      {problem.detail !== "" && <p>{problem.detail}</p>}
      {typeof line === "number" && <p>Line {line} of the file.</p>}
      {problem.hint !== "" && <p class="hint">{problem.hint}</p>}
      <p class="faint">
        {problem.code}
        {problem.requestId !== "" && ` · ${problem.requestId}`}
      </p>
    </div>
  );
}

export interface TableProps {
  readonly caption: string;
  readonly head: readonly string[];
  /** Indexes of columns with numbers. */
  readonly numbers?: readonly number[];
  readonly children: ComponentChildren;
}

/** A table that scrolls sideways by itself on a narrow screen, and can be reached by keyboard. */
export function Table({ caption, head, numbers = [], children }: TableProps) {
  return (
    <div class="scroller" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {head.map((name, index) => (
              <th key={name} scope="col" class={numbers.includes(index) ? "number" : ""}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** The page's heading; the focus goes here when the page changes. */
export function PageHead({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="page-head">
      <h1 tabIndex={-1} id="page-title">
        {title}
      </h1>
      {children !== undefined && <div class="row">{children}</div>}
    </div>
  );
}

export function Hash({ value }: { readonly value: string }) {
  return (
    <code title={value} class="hash">
      {value.slice(0, 12)}
    </code>
  );
}
