// The shell around every page: skip link, bar with the stop button, navigation, live banner, notices.

import { useEffect, useState } from "preact/hooks";
import type { Place } from "./core/route.ts";
import { isStopKey, stopAll } from "./live/emergency.ts";
import { joinFeed } from "./live/link.ts";
import { usePlace } from "./live/place.ts";
import { resume } from "./live/session.ts";
import { closeNotice, useConsole } from "./live/store.ts";
import { AnalyticsPage } from "./pages/analytics.tsx";
import { ApprovalsPage } from "./pages/approvals.tsx";
import { AskPage } from "./pages/ask.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { CachePage } from "./pages/cache.tsx";
import { ClusterPage } from "./pages/cluster.tsx";
import { ConfirmationsPage } from "./pages/confirmations.tsx";
import { ConversationsPage } from "./pages/conversations.tsx";
import { CostsPage } from "./pages/costs.tsx";
import { DocumentsPage } from "./pages/documents.tsx";
import { EventsPage } from "./pages/events.tsx";
import { FarmPage } from "./pages/farm.tsx";
import { FlagsPage } from "./pages/flags.tsx";
import { GoalsPage } from "./pages/goals.tsx";
import { JobsPage } from "./pages/jobs.tsx";
import { KnowledgePage } from "./pages/knowledge.tsx";
import { LoginPage } from "./pages/login.tsx";
import { MachinesPage } from "./pages/machines.tsx";
import { MakePage } from "./pages/make.tsx";
import { MemoryPage } from "./pages/memory.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { PrintPage } from "./pages/print.tsx";
import { PrintsPage } from "./pages/prints.tsx";
import { SchedulePage, SchedulesPage } from "./pages/schedules.tsx";
import { TracePage, TracesPage } from "./pages/traces.tsx";
import { WebhooksPage } from "./pages/webhooks.tsx";
import { AgentsPage } from "./pages/agents.tsx";
import { QueuesPage } from "./pages/queues.tsx";
import { RunPage } from "./pages/run.tsx";
import { RunsPage } from "./pages/runs.tsx";
import { LiveBanner, LiveDot } from "./ui/live.tsx";
import { Navigation, Tabs, TITLES } from "./ui/navigation.tsx";
import { Button, ProblemNote } from "./ui/parts.tsx";
import { StopButton, StopReport } from "./ui/stop.tsx";

export function App() {
  const session = useConsole((state) => state.session);
  switch (session.kind) {
    case "checking":
      return <main class="login" aria-busy="true" aria-label="Starting" />;
    case "out":
      return <LoginPage />;
    case "unreachable":
      return (
        <main class="login">
          <h1>Gantry</h1>
          <ProblemNote problem={session.problem} />
          <Button look="primary" onClick={() => void resume()}>
            Try again
          </Button>
        </main>
      );
    case "in":
      return <Shell />;
  }
}

function Shell() {
  const place = usePlace();
  const [isMenuOpen, setMenuOpen] = useState(false);
  useEffect(joinFeed, []);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (isStopKey(event)) void stopAll();
    };
    // Captured, so that no field or dialog can keep the key for itself.
    addEventListener("keydown", onKey, true);
    return () => removeEventListener("keydown", onKey, true);
  }, []);
  useEffect(() => setMenuOpen(false), [place]);
  useTitleAndFocus(place);
  return (
    <>
      <Button class="skip" onClick={focusTitle}>
        Skip to content
      </Button>
      <header class="bar">
        <a class="brand" href="#/overview">
          <Mark /> Gantry
        </a>
        <LiveDot />
        <StopButton />
      </header>
      <LiveBanner />
      <div class="shell">
        <Navigation page={place.page} isOpen={isMenuOpen} />
        <main id="main">
          <StopReport />
          <PageOf place={place} />
        </main>
      </div>
      <Tabs page={place.page} isOpen={isMenuOpen} onMenu={() => setMenuOpen(!isMenuOpen)} />
      <Notices />
    </>
  );
}

function PageOf({ place }: { readonly place: Place }) {
  const { page, id, query } = place;
  switch (page) {
    case "overview":
      return <OverviewPage />;
    case "ask":
      return <AskPage key={id} conversation={id} />;
    case "confirmations":
      return <ConfirmationsPage />;
    case "prints":
      return id === undefined ? (
        <PrintsPage after={query["after"]} />
      ) : (
        <PrintPage key={id} id={id} />
      );
    case "make":
      return <MakePage key={id} id={id} />;
    case "farm":
      return <FarmPage tab={query["tab"]} />;
    case "approvals":
      return <ApprovalsPage tab={query["tab"]} after={query["after"]} />;
    case "runs":
      return id === undefined ? (
        <RunsPage
          state={query["state"]}
          workflow={query["workflow"]}
          parent={query["parent"]}
          after={query["after"]}
        />
      ) : (
        <RunPage key={id} id={id} from={query["from"]} />
      );
    case "goals":
      return <GoalsPage after={query["after"]} />;
    case "documents":
      return (
        <DocumentsPage
          tab={query["tab"]}
          run={query["run"]}
          text={query["text"]}
          after={query["after"]}
        />
      );
    case "agents":
      return <AgentsPage id={id} tab={query["tab"]} after={query["after"]} />;
    case "queues":
      return <QueuesPage id={id} tab={query["tab"]} after={query["after"]} />;
    case "jobs":
      return <JobsPage tab={query["tab"]} after={query["after"]} />;
    case "schedules":
      return id === undefined ? (
        <SchedulesPage after={query["after"]} />
      ) : (
        <SchedulePage key={id} id={id} />
      );
    case "webhooks":
      return <WebhooksPage />;
    case "conversations":
      return <ConversationsPage after={query["after"]} />;
    case "memory":
      return <MemoryPage state={query["state"]} q={query["q"]} after={query["after"]} />;
    case "knowledge":
      return <KnowledgePage q={query["q"]} />;
    case "cache":
      return <CachePage q={query["q"]} after={query["after"]} />;
    case "events":
      return <EventsPage type={query["type"]} />;
    case "machines":
      return <MachinesPage />;
    case "cluster":
      return <ClusterPage />;
    case "analytics":
      return <AnalyticsPage tab={query["tab"]} />;
    case "costs":
      return <CostsPage />;
    case "flags":
      return <FlagsPage />;
    case "traces":
      return id === undefined ? <TracesPage /> : <TracePage key={id} id={id} />;
    case "audit":
      return <AuditPage after={query["after"]} />;
  }
}

const focusTitle = (): void => document.querySelector<HTMLElement>("#page-title")?.focus();

/** The first page keeps the browser's own focus; each later one starts at its heading. */
function useTitleAndFocus({ page, id }: Place): void {
  const [isFirst, setFirst] = useState(true);
  useEffect(() => {
    document.title = `${TITLES[page]} · Gantry`;
    if (isFirst) setFirst(false);
    else focusTitle();
  }, [page, id]);
}

function Notices() {
  const notices = useConsole((state) => state.notices);
  return (
    <div class="notices" role="status" aria-label="Notices">
      {notices.map(({ id, tone, text, problem }) => (
        <div key={id} class={`notice ${tone}`}>
          <div>
            <strong>{text}</strong>
            {problem !== undefined && problem.detail !== "" && <p>{problem.detail}</p>}
            {problem !== undefined && problem.hint !== "" && <p class="faint">{problem.hint}</p>}
          </div>
          <Button look="quiet" aria-label={`Close: ${text}`} onClick={() => closeNotice(id)}>
            Close
          </Button>
        </div>
      ))}
    </div>
  );
}

function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
      <path
        d="M5 28V6h22v22M5 11h22M16 11v6"
        fill="none"
        stroke="currentColor"
        stroke-width="3"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
      <path d="M12 17h8l-4 6z" fill="var(--warn-line)" />
    </svg>
  );
}
