// Where one can go: a list at the side, and on a phone the four most used below with the rest behind
// a button.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import { formatPlace, type Page } from "../core/route.ts";
import type { ApprovalPage, ConfirmationList } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { logOut } from "../live/session.ts";
import { useConsole } from "../live/store.ts";
import { Badge, Button } from "./parts.tsx";
import { ThemeButton } from "./theme.tsx";

/** The page and the count beside its name share one reading. */
export const OPEN_APPROVALS = "/api/approvals";

export const TITLES: Readonly<Record<Page, string>> = {
  overview: "Overview",
  ask: "Ask",
  confirmations: "Confirmations",
  approvals: "Approvals",
  prints: "Prints",
  farm: "Farm",
  make: "Make",
  runs: "Runs",
  agents: "Agents",
  documents: "Documents",
  goals: "Goals",
  queues: "Queues",
  jobs: "Jobs",
  schedules: "Schedules",
  webhooks: "Webhooks",
  conversations: "Conversations",
  memory: "Memory",
  knowledge: "Knowledge",
  cache: "Kept answers",
  events: "Events",
  machines: "Machines",
  cluster: "Cluster",
  analytics: "Analytics",
  costs: "Costs",
  flags: "Flags",
  traces: "Traces",
  audit: "Audit",
};

/** In which order, and under which words. Every page is in one of them. */
export const SECTIONS: readonly (readonly [title: string, pages: readonly Page[]])[] = [
  ["", ["overview", "ask", "confirmations", "approvals"]],
  ["Workshop", ["prints", "farm", "make", "machines"]],
  ["Work", ["runs", "agents", "goals", "documents", "queues", "jobs", "schedules", "webhooks"]],
  ["What it knows", ["conversations", "memory", "knowledge", "cache"]],
  ["The house", ["cluster", "events", "traces", "analytics", "costs", "flags", "audit"]],
];

/** Others have no right to what is on them. */
const OPERATORS: ReadonlySet<Page> = new Set(["audit", "cache", "webhooks"]);

export function Navigation({ page, isOpen }: { readonly page: Page; readonly isOpen: boolean }) {
  const me = useConsole(({ session }) => (session.kind === "in" ? session.me : undefined));
  const waiting = useWaiting();
  const asked = useAsked();
  const isOffered = (name: Page): boolean =>
    !OPERATORS.has(name) || mayAct(me?.role ?? "viewer", "operator");
  return (
    <nav class={isOpen ? "nav open" : "nav"} id="nav" aria-label="Main">
      {SECTIONS.flatMap(([title, pages]) => [
        title !== "" && <p key={title}>{title}</p>,
        ...pages.filter(isOffered).map((name) => (
          <a key={name} href={formatPlace(name)} aria-current={name === page ? "page" : undefined}>
            {TITLES[name]}
            {name === "confirmations" && waiting > 0 && <Badge tone="warn">{waiting}</Badge>}
            {name === "approvals" && asked !== "" && <Badge tone="warn">{asked}</Badge>}
          </a>
        )),
      ])}
      <div class="nav-foot">
        <p>
          {me?.person} · {me?.role}
        </p>
        <ThemeButton />
        <br />
        <Button look="quiet" onClick={() => void logOut()}>
          Log out
        </Button>
      </div>
    </nav>
  );
}

const TABS = [
  ["overview", "M4 13h7V4H4zM13 20h7v-9h-7zM4 20h7v-5H4zM13 9h7V4h-7z"],
  ["ask", "M4 5h16v11H10l-5 4v-4H4z"],
  ["confirmations", "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6zM8.5 12l2.5 2.5 4.5-5"],
  ["prints", "M6 9V4h12v5M4 9h16v8h-3v3H7v-3H4zM7 15h10"],
] as const satisfies readonly (readonly [Page, string])[];

export interface TabsProps {
  readonly page: Page;
  readonly isOpen: boolean;
  readonly onMenu: () => void;
}

export function Tabs({ page, isOpen, onMenu }: TabsProps) {
  const waiting = useWaiting();
  return (
    <nav class="tabs phone-only" aria-label="Quick">
      {TABS.map(([name, shape]) => (
        <a key={name} href={formatPlace(name)} aria-current={name === page ? "page" : undefined}>
          <span class="tab-sign">
            <Sign shape={shape} />
            {name === "confirmations" && waiting > 0 && <Badge tone="warn">{waiting}</Badge>}
          </span>
          {name === "confirmations" ? "Confirm" : TITLES[name]}
        </a>
      ))}
      <button type="button" aria-expanded={isOpen} aria-controls="nav" onClick={onMenu}>
        <Sign shape="M4 7h16M4 12h16M4 17h16" />
        Menu
      </button>
    </nav>
  );
}

function useWaiting(): number {
  const list = useResource<ConfirmationList>("/api/confirmations");
  return list.value?.confirmations.filter(({ state }) => state === "pending").length ?? 0;
}

/** How many questions of runs are open, as far as the first page of them says. */
function useAsked(): string {
  const { approvals = [], next } = useResource<ApprovalPage>(OPEN_APPROVALS).value ?? {};
  if (approvals.length === 0) return "";
  return next === undefined ? String(approvals.length) : `${approvals.length}+`;
}

function Sign({ shape }: { readonly shape: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path
        d={shape}
        fill="none"
        stroke="currentColor"
        stroke-width="1.7"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
