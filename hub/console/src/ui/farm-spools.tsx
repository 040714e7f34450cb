// Spools: what is left, what is promised, where each one is; a form for a new one.

import type { SpoolView } from "@gantry/shared/contract/schemas/farm.ts";
import { useState } from "preact/hooks";
import { usd } from "../core/farm.ts";
import { useAct } from "../live/act.ts";
import { call } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useMayRun } from "../live/rights.ts";
import { AskFirst } from "./dialog.tsx";
import { Button, Card, Empty, Table } from "./parts.tsx";
import { Waiting } from "./waiting.tsx";

interface SpoolList {
  readonly spools: readonly SpoolView[];
}

const PATH = "/api/farm/spools";
const HEAD = ["Spool", "Material", "Left", "Promised", "Used", "Per kg", "In", "Actions"];

export function Spools() {
  const list = useResource<SpoolList>(PATH);
  const may = useMayRun();
  return (
    <div class="stack">
      <Waiting of={list}>
        {({ spools }) =>
          spools.length === 0 ? (
            <Empty command="gantry spool set pla-1 --material PLA --grams 1000">
              There is no spool yet.
            </Empty>
          ) : (
            <Table caption="Spools" head={HEAD} numbers={[2, 3, 4, 5]}>
              {spools.map((spool) => (
                <SpoolRow key={spool.id} spool={spool} may={may} />
              ))}
            </Table>
          )
        }
      </Waiting>
      {may && <NewSpool />}
    </div>
  );
}

function SpoolRow({ spool, may }: { readonly spool: SpoolView; readonly may: boolean }) {
  const { id, material, color, leftG, reservedG, usedG, costMicroUsdPerKg, printer, name } = spool;
  const { isBusy, run } = useAct();
  const [isAsking, setAsking] = useState(false);
  const drop = (): void =>
    run(() => call(`${PATH}/${encodeURIComponent(id)}`, { method: "DELETE" }), `${id} is dropped`);
  return (
    <tr>
      <td>
        {id}
        {name !== undefined && <span class="faint"> {name}</span>}
      </td>
      <td>
        {color !== undefined && <span class="swatch" style={{ background: `#${color}` }} />}
        {material}
        {color !== undefined && <span class="faint"> #{color}</span>}
      </td>
      <td class="number">{Math.floor(leftG)} g</td>
      <td class="number">{reservedG === 0 ? "–" : `${Math.ceil(reservedG)} g`}</td>
      <td class="number">{Math.round(usedG)} g</td>
      <td class="number">{costMicroUsdPerKg === undefined ? "–" : usd(costMicroUsdPerKg)}</td>
      <td>{printer ?? "–"}</td>
      <td class="act-cell">
        {may && (
          <Button disabled={isBusy} aria-label={`Drop ${id}`} onClick={() => setAsking(true)}>
            Drop
          </Button>
        )}
        {isAsking && (
          <AskFirst
            title={`Drop ${id}?`}
            text={`Its ${Math.floor(leftG)} g of ${material} are forgotten.`}
            verb="Drop it"
            onYes={drop}
            onClose={() => setAsking(false)}
          />
        )}
      </td>
    </tr>
  );
}

const BLANK = { id: "", material: "", grams: "1000", color: "", price: "" };

function NewSpool() {
  const [draft, setDraft] = useState(BLANK);
  const { isBusy, run } = useAct();
  const field = (name: keyof typeof BLANK, label: string, hint: string) => (
    <label>
      {label}
      <input
        value={draft[name]}
        placeholder={hint}
        onInput={({ currentTarget }) => setDraft({ ...draft, [name]: currentTarget.value })}
      />
    </label>
  );
  const { id, material, grams, color, price } = draft;
  const isWhole = id !== "" && material !== "" && Number(grams) >= 0;
  const keep = async (): Promise<void> => {
    const body = {
      material,
      leftG: Number(grams),
      ...(color === "" ? {} : { color }),
      ...(price === "" ? {} : { costMicroUsdPerKg: Math.round(Number(price) * 1_000_000) }),
    };
    await call(`${PATH}/${encodeURIComponent(id)}`, { method: "PUT", body });
    setDraft(BLANK);
  };
  return (
    <Card title="A spool, new or corrected">
      <form
        class="farm-form"
        onSubmit={(event) => {
          event.preventDefault();
          run(keep, `${id} is kept`);
        }}
      >
        {field("id", "Name", "pla-1")}
        {field("material", "Material", "PLA")}
        {field("grams", "Grams left", "1000")}
        {field("color", "Colour", "FF8800")}
        {field("price", "USD per kg", "25")}
        <Button look="primary" type="submit" disabled={isBusy || !isWhole}>
          Keep
        </Button>
      </form>
    </Card>
  );
}
