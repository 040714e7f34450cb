// Make: words become a part that can be turned and changed, then G-code, then a print that waits for
// a person's word.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { MakeOrder, MakeView } from "@gantry/shared/contract/schemas/cad.ts";
import { useEffect, useId, useState } from "preact/hooks";
import { bytes } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { PartList, Problem } from "../core/views.ts";
import { call, ProblemError } from "../live/api.ts";
import { goTo } from "../live/place.ts";
import { refresh, useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { PartForm } from "../ui/part-form.tsx";
import { PartPrinting } from "../ui/part-printing.tsx";
import { PartView } from "../ui/part-view.tsx";
import { Button, Card, Facts, PageHead, ProblemNote, Progress, StateBadge } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const LOOK_EVERY_MS = 400;
/** A model may have to read the words first. */
const ORDER_MS = 300_000;

export function MakePage({ id }: { readonly id: string | undefined }) {
  const parts = useResource<PartList>("/api/cad/parts");
  const path = id === undefined ? undefined : `/api/cad/jobs/${encodeURIComponent(id)}`;
  const made = useResource<MakeView>(path);
  const order = useOrder();
  const { state } = made.value ?? {};
  useEffect(() => {
    if (path === undefined || (state !== "ready" && state !== "leased")) return undefined;
    const timer = setInterval(() => refresh([path]), LOOK_EVERY_MS); // steps are live, not events
    return () => clearInterval(timer);
  }, [path, state]);
  const part = parts.value?.parts.find((one) => one.id === made.value?.part);
  return (
    <div class="page">
      <PageHead title={made.value?.name ?? "Make"}>
        {id !== undefined && <a href={formatPlace("make")}>Another part</a>}
      </PageHead>
      {order.problem !== undefined && <ProblemNote problem={order.problem} />}
      {id === undefined ? (
        <div class="split">
          <Words order={order} />
          <Menu parts={parts.value} order={order} />
        </div>
      ) : (
        <Waiting of={made}>
          {(view) => (
            <div class="split">
              <div class="stack">
                <Now view={view} />
                {part !== undefined && order.isAllowed && (
                  <PartForm
                    key={view.id}
                    part={part}
                    values={view.parameters ?? {}}
                    order={order}
                  />
                )}
              </div>
              <div class="stack">
                {view.state === "done" && <PartPrinting view={view} order={order} />}
              </div>
            </div>
          )}
        </Waiting>
      )}
    </div>
  );
}

export interface Ordering {
  readonly isAllowed: boolean;
  readonly isBusy: boolean;
  readonly problem: Problem | undefined;
  /** Goes to the page of what is made. */
  readonly send: (path: string, body: MakeOrder | object) => void;
}

function useOrder(): Ordering {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const send = async (path: string, body: object): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      const { id } = await call<MakeView>(path, { method: "POST", body, timeoutMs: ORDER_MS });
      goTo(formatPlace("make", id));
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setProblem(error.problem);
    } finally {
      setBusy(false);
    }
  };
  return {
    isAllowed: mayAct(role, "maker"),
    isBusy,
    problem,
    send: (path, body) => {
      if (!isBusy) void send(path, body);
    },
  };
}

function Words({ order }: { readonly order: Ordering }) {
  const [text, setText] = useState("");
  const field = useId();
  if (!order.isAllowed) return <p>To make parts you need the role maker.</p>;
  const make = (prompt: string): void => order.send("/api/cad/generate", { prompt });
  return (
    <Card title="In words">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") make(text.trim());
        }}
      >
        <div>
          <label for={field}>What to make</label>
          <input
            id={field}
            class="wide"
            value={text}
            maxLength={2_000}
            autocomplete="off"
            placeholder="a box 40x30x20 with lid"
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <p class="hint">
            Sizes in mm, cm or inches. What is not said gets a usual value, which is shown.
          </p>
        </div>
        <div class="row">
          <Button look="primary" type="submit" disabled={order.isBusy || text.trim() === ""}>
            {order.isBusy ? "Working" : "Make it"}
          </Button>
        </div>
      </form>
      <p class="faint">For example:</p>
      <ul class="examples">
        {EXAMPLES.map((example) => (
          <li key={example}>
            <Button look="quiet" disabled={order.isBusy} onClick={() => make(example)}>
              {example}
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  );
}

const EXAMPLES = [
  "a box 40x30x20 with lid",
  "a spacer 8 mm high for M4",
  "a gear with 20 teeth and module 2",
  'a key tag with the text "Lathe 3"',
];

function Menu({
  parts,
  order,
}: {
  readonly parts: PartList | undefined;
  readonly order: Ordering;
}) {
  return (
    <Card title="Parts">
      <ul class="part-menu">
        {(parts?.parts ?? []).map(({ id, title, summary }) => (
          <li key={id}>
            <Button
              look="quiet"
              disabled={!order.isAllowed || order.isBusy}
              onClick={() => order.send("/api/cad/generate", { part: id })}
            >
              {title}
            </Button>
            <p class="faint">{summary}</p>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Now({ view }: { readonly view: MakeView }) {
  const { state, summary, progress, mesh, files, error, steps } = view;
  const size = mesh?.sizeMm;
  const running = steps.find((step) => step.state === "running")?.step;
  const tookMs = steps.reduce((sum, step) => sum + (step.tookMs ?? 0), 0);
  return (
    <Card
      title="The part"
      aside={<StateBadge state={state} />}
      tone={state === "failed" ? "bad" : "plain"}
    >
      {files.stl !== undefined && (
        <PartView url={files.stl.url} picture={files.preview?.url} name={view.name} />
      )}
      {(state === "ready" || state === "leased") && (
        <>
          <Progress value={progress} label="Progress" />
          <p class="faint" role="status">
            {state === "ready" ? "Waits for a machine" : `Now: ${running ?? "begins"}`}
          </p>
        </>
      )}
      {error !== undefined && state === "failed" && <ProblemNote problem={problemOf(error)} />}
      <p>{summary}</p>
      <Facts
        rows={[
          [
            "Size",
            size === undefined ? undefined : `${mm(size.x)} × ${mm(size.y)} × ${mm(size.z)} mm`,
          ],
          ["Volume", mesh === undefined ? undefined : `${mm(mesh.volumeMm3 / 1_000)} cm³`],
          ["Body", mesh === undefined ? undefined : `closed, ${mesh.triangles} triangles`],
          ["Took", tookMs === 0 ? undefined : `${(tookMs / 1_000).toFixed(1)} s`],
          [
            "STL",
            files.stl === undefined ? undefined : <Saved key="stl" {...files.stl} what="STL" />,
          ],
          [
            "G-code",
            files.gcode === undefined ? undefined : (
              <Saved key="gcode" {...files.gcode} what="G-code" />
            ),
          ],
        ]}
      />
    </Card>
  );
}

function Saved({ url, sizeBytes, what }: { url: string; sizeBytes: number; what: string }) {
  return (
    <a href={url} download>
      Save {what}, {bytes(sizeBytes)}
    </a>
  );
}

const mm = (value: number): number => Math.round(value * 10) / 10;

const problemOf = (error: NonNullable<MakeView["error"]>): Problem => {
  const hint = error.details?.["hint"];
  return {
    status: 0,
    code: error.code,
    title: error.message,
    detail: "",
    hint: typeof hint === "string" ? hint : "",
    requestId: "",
    ...(error.details === undefined ? {} : { details: error.details }),
  };
};
