// The farm: what waits and why, printers, spools, how prints turned out, and the wall.

import type { TallyView, WallView } from "@gantry/shared/contract/schemas/farm.ts";
import { useEffect } from "preact/hooks";
import { words } from "../core/format.ts";
import { refresh, useResource } from "../live/resources.ts";
import { FarmFound, FarmHealth } from "../ui/farm-found.tsx";
import { FarmPrinters } from "../ui/farm-printers.tsx";
import { FarmQueue } from "../ui/farm-queue.tsx";
import { Spools } from "../ui/farm-spools.tsx";
import { Empty, PageHead, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Waiting } from "../ui/waiting.tsx";
import { WallTiles } from "../ui/wall.tsx";

const TABS = [
  [undefined, "Queue"],
  ["printers", "Printers"],
  ["spools", "Spools"],
  ["outcomes", "Outcomes"],
  ["health", "Health"],
  ["found", "Found"],
  ["wall", "Wall"],
] as const;

export function FarmPage({ tab }: { readonly tab: string | undefined }) {
  return (
    <div class="page">
      <PageHead title="Farm" />
      <Tabs label="What to show" page="farm" tabs={TABS} current={tab} />
      <PartOf tab={tab} />
    </div>
  );
}

function PartOf({ tab }: { readonly tab: string | undefined }) {
  switch (tab ?? "") {
    case "printers":
      return <FarmPrinters />;
    case "spools":
      return <Spools />;
    case "outcomes":
      return <Outcomes />;
    case "health":
      return <FarmHealth />;
    case "found":
      return <FarmFound />;
    case "wall":
      return <Wall />;
    default:
      return <FarmQueue />;
  }
}

const WALL = "/api/wall";
/** Temperatures and progress make no event that stays. */
const LOOK_MS = 2_000;

function Wall() {
  const wall = useResource<WallView>(WALL);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") refresh([WALL]);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <p class="hint">
        For a screen on the wall, without anybody logged in, make a token that can read this and
        nothing else, <code>gantry token create hall --role wall</code>, and open{" "}
        <code>{`${location.origin}/#wall=TOKEN`}</code> there.
      </p>
      <Waiting of={wall}>{(view) => <WallTiles wall={view} />}</Waiting>
    </>
  );
}

interface Outcomes {
  readonly outcomes: readonly TallyView[];
}
const HEAD = ["Name", "Good", "Bad", "Good share", "Hours", "Grams", "Why they failed"];

function Outcomes() {
  return (
    <div class="stack">
      {(["printer", "material", "file"] as const).map((of) => (
        <OutcomesOf key={of} of={of} />
      ))}
    </div>
  );
}

function OutcomesOf({ of }: { readonly of: "printer" | "material" | "file" }) {
  const list = useResource<Outcomes>(`/api/farm/outcomes?of=${of}`);
  const title = `By ${of}`;
  return (
    <section>
      <h2>{title}</h2>
      <Waiting of={list}>
        {({ outcomes }) =>
          outcomes.length === 0 ? (
            <Empty command="gantry bed clear PRINTER --outcome ok">
              Nobody has said yet how a part turned out.
            </Empty>
          ) : (
            <Table caption={title} head={HEAD} numbers={[1, 2, 3, 4, 5]}>
              {outcomes.map((row) => (
                <tr key={row.id}>
                  <td>{row.name}</td>
                  <td class="number">{row.good}</td>
                  <td class="number">{row.bad}</td>
                  <td class="number">{Math.round(row.goodShare * 100)} %</td>
                  <td class="number">{row.printedH.toFixed(1)}</td>
                  <td class="number">{Math.round(row.grams)}</td>
                  <td>{reasonsOf(row)}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Waiting>
    </section>
  );
}

const reasonsOf = ({ reasons }: TallyView): string =>
  Object.entries(reasons)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${words(reason)} ${count}`)
    .join(", ");
