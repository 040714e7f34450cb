// From a part to the bed: slice it for a printer, then hand it over; the print waits for its word.

import { MATERIAL_NAMES, SLICE_DEFAULTS } from "@gantry/shared/cad/slicing.ts";
import type { MakeView } from "@gantry/shared/contract/schemas/cad.ts";
import type { PrintAccepted } from "@gantry/shared/contract/schemas/prints.ts";
import { useId, useState } from "preact/hooks";
import { formatPlace } from "../core/route.ts";
import type { DeviceList } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { call } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import type { Ordering } from "../pages/make.tsx";
import { ConfirmationCard } from "./confirmation.tsx";
import { Button, Card, Empty } from "./parts.tsx";

export function PartPrinting({
  view,
  order,
}: {
  readonly view: MakeView;
  readonly order: Ordering;
}) {
  const devices = useResource<DeviceList>("/api/devices");
  const printers = devices.value?.devices ?? [];
  if (!order.isAllowed) return null;
  if (devices.value !== undefined && printers.length === 0) {
    return (
      <Card title="Slice">
        <Empty>There is no printer to slice for.</Empty>
      </Card>
    );
  }
  return (
    <>
      {view.files.gcode !== undefined && <HandOver view={view} />}
      <Slice view={view} order={order} printers={printers.map(({ id }) => id)} />
    </>
  );
}

interface Wish {
  readonly material: string;
  readonly layerMm: number;
  readonly infillPercent: number;
  readonly supports: boolean;
}

function Slice({
  view,
  order,
  printers,
}: {
  readonly view: MakeView;
  readonly order: Ordering;
  readonly printers: readonly string[];
}) {
  const [chosen, setChosen] = useState<string>();
  const [wish, setWish] = useState<Wish>(SLICE_DEFAULTS);
  const [printerField, materialField, layerField, infillField] = [
    useId(),
    useId(),
    useId(),
    useId(),
  ];
  const printer = chosen ?? view.printer ?? printers[0];
  return (
    <Card title={view.files.gcode === undefined ? "Slice" : "Slice it otherwise"}>
      <form
        class="part-form"
        onSubmit={(event) => {
          event.preventDefault();
          const body = { ...(printer === undefined ? {} : { printer }), slice: wish };
          order.send(`/api/cad/jobs/${encodeURIComponent(view.id)}/slice`, body);
        }}
      >
        <div>
          <label for={printerField}>Printer</label>
          <select
            id={printerField}
            value={printer}
            onChange={(event) => setChosen(event.currentTarget.value)}
          >
            {printers.map((id) => (
              <option key={id} value={id}>
                {id}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for={materialField}>Filament</label>
          <select
            id={materialField}
            value={wish.material}
            onChange={(event) => setWish({ ...wish, material: event.currentTarget.value })}
          >
            {MATERIAL_NAMES.map((name) => (
              <option key={name} value={name}>
                {name.toUpperCase()}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for={layerField}>
            Layer <span class="faint">mm</span>
          </label>
          <input
            id={layerField}
            type="number"
            min={0.05}
            max={1.2}
            step={0.01}
            value={wish.layerMm}
            required
            onInput={(event) => setWish({ ...wish, layerMm: event.currentTarget.valueAsNumber })}
          />
        </div>
        <div>
          <label for={infillField}>
            Infill <span class="faint">%</span>
          </label>
          <input
            id={infillField}
            type="number"
            min={0}
            max={100}
            step={1}
            value={wish.infillPercent}
            required
            onInput={(event) =>
              setWish({ ...wish, infillPercent: event.currentTarget.valueAsNumber })
            }
          />
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={wish.supports}
            onChange={(event) => setWish({ ...wish, supports: event.currentTarget.checked })}
          />
          Supports
        </label>
        <div class="row end">
          <Button
            look={view.files.gcode === undefined ? "primary" : "plain"}
            type="submit"
            disabled={order.isBusy}
          >
            {order.isBusy ? "Working" : "Slice"}
          </Button>
        </div>
      </form>
    </Card>
  );
}

function HandOver({ view }: { readonly view: MakeView }) {
  const act = useAct();
  const [accepted, setAccepted] = useState<PrintAccepted>();
  const print = async (): Promise<void> => {
    const path = `/api/cad/jobs/${encodeURIComponent(view.id)}/print`;
    setAccepted(await call<PrintAccepted>(path, { method: "POST", body: {} }));
  };
  if (accepted !== undefined) {
    return (
      <Card title="On its way">
        <p>
          <a href={formatPlace("prints", accepted.job.id)}>The print</a> is {accepted.job.state}.
        </p>
        {accepted.confirmation !== undefined && (
          <ConfirmationCard confirmation={accepted.confirmation} />
        )}
      </Card>
    );
  }
  return (
    <Card title="Print">
      <p>
        The G-code is for {view.printer}. It is scanned again, and nothing heats or moves before
        somebody gives the word.
      </p>
      <Button look="primary" disabled={act.isBusy} onClick={() => act.run(print)}>
        {act.isBusy ? "Scanning" : `Print on ${view.printer ?? "the printer"}`}
      </Button>
    </Card>
  );
}
