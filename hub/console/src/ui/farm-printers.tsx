// Printers of the farm: what they are and hold, their hours, and the word about the part in the bed.

import { FAILURES } from "@gantry/shared/contract/farm.ts";
import type { FarmPrinterView, SpoolView } from "@gantry/shared/contract/schemas/farm.ts";
import { useState } from "preact/hooks";
import { words } from "../core/format.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { Dialog } from "./dialog.tsx";
import { useMayRun } from "../live/rights.ts";
import { Badge, Button, Card, Empty, Facts, StateBadge } from "./parts.tsx";
import { Waiting } from "./waiting.tsx";

interface Printers {
  readonly printers: readonly FarmPrinterView[];
}
interface SpoolList {
  readonly spools: readonly SpoolView[];
}

export function FarmPrinters() {
  const list = useResource<Printers>("/api/farm/printers");
  return (
    <Waiting of={list}>
      {({ printers }) =>
        printers.length === 0 ? (
          <Empty command="GANTRY_PRINTERS=ender=/dev/serial/by-id/... gantry-node">
            There is no printer yet.
          </Empty>
        ) : (
          <div class="grid">
            {printers.map((view) => (
              <PrinterOfFarm key={view.device.id} view={view} />
            ))}
          </div>
        )
      }
    </Waiting>
  );
}

function PrinterOfFarm({ view }: { readonly view: FarmPrinterView }) {
  const { device, profile, loaded } = view;
  const { id, online, phase, bed } = device;
  return (
    <Card
      title={id}
      aside={
        <>
          {profile?.isMaintenanceDue === true && <Badge tone="warn">maintenance due</Badge>}
          {profile?.isHeld === true && <Badge>held</Badge>}
          <StateBadge state={online ? phase : "offline"} />
        </>
      }
    >
      {profile === undefined ? (
        <Empty command={`gantry printer set ${id} --nozzle 0.4`}>It is not of the farm.</Empty>
      ) : (
        <Facts
          rows={[
            ["Nozzle", profile.nozzleMm === undefined ? "not said" : `${profile.nozzleMm} mm`],
            ["Filament", filamentOf(loaded)],
            ["Spool", profile.spool],
            ["Labels", profile.labels.join(", ")],
            ["Printed", `${profile.printedH.toFixed(1)} h`],
            ["Since maintenance", hoursOf(profile)],
            ["Long prints", offPeakOf(profile)],
            ["Bed", bed === "part" ? "holds a part" : "clear"],
          ]}
        />
      )}
      <Acts view={view} />
    </Card>
  );
}

type Profile = NonNullable<FarmPrinterView["profile"]>;

const filamentOf = ({ material, color, freeG }: FarmPrinterView["loaded"]): string =>
  [
    material ?? "not said",
    color === undefined ? undefined : `#${color}`,
    freeG === undefined ? undefined : `${Math.floor(freeG)} g free`,
  ]
    .filter((part) => part !== undefined)
    .join(", ");

const hoursOf = ({ maintenanceEveryH, sinceMaintenanceH }: Profile): string | undefined =>
  maintenanceEveryH === undefined
    ? undefined
    : `${sinceMaintenanceH.toFixed(1)} of ${maintenanceEveryH} h`;

const offPeakOf = ({ offPeak }: Profile): string | undefined =>
  offPeak === undefined ? undefined : `${offPeak.from} to ${offPeak.to}, ${offPeak.zone}`;

function Acts({ view: { device, profile } }: { readonly view: FarmPrinterView }) {
  const may = useMayRun();
  const { isBusy, run } = useAct();
  const [isJudging, setJudging] = useState(false);
  if (!may) return null;
  const { id, bed, bedJob } = device;
  const path = `/api/farm/printers/${encodeURIComponent(id)}`;
  const judge = (body: object): void => {
    const named = bedJob === undefined ? body : { ...body, job: bedJob };
    run(
      () => post(`/api/devices/${encodeURIComponent(id)}/bed`, named),
      `The bed of ${id} is clear`,
    );
  };
  return (
    <div class="row">
      {bed === "part" && bedJob !== undefined && (
        <>
          <Button
            look="primary"
            disabled={isBusy}
            aria-label={`Bed cleared, good part: ${id}`}
            onClick={() => judge({ outcome: "ok" })}
          >
            Cleared: good part
          </Button>
          <Button
            disabled={isBusy}
            aria-label={`Bed cleared, bad part: ${id}`}
            onClick={() => setJudging(true)}
          >
            Bad part…
          </Button>
        </>
      )}
      {profile?.isMaintenanceDue === true && (
        <Button
          disabled={isBusy}
          aria-label={`Maintained: ${id}`}
          onClick={() => run(() => post(`${path}/maintained`), `The hours of ${id} begin anew`)}
        >
          Maintained
        </Button>
      )}
      {profile !== undefined && <LoadSpool id={id} loaded={profile.spool} />}
      {isJudging && <BadPart id={id} onClose={() => setJudging(false)} onSay={judge} />}
    </div>
  );
}

function LoadSpool({ id, loaded }: { readonly id: string; readonly loaded: string | undefined }) {
  const { value } = useResource<SpoolList>("/api/farm/spools");
  const { isBusy, run } = useAct();
  const load = (spool: string): void =>
    run(
      () => post(`/api/farm/printers/${encodeURIComponent(id)}/spool`, { spool: spool || null }),
      spool === "" ? `${id} holds no spool` : `${spool} is in ${id}`,
    );
  const spools = value?.spools ?? [];
  if (spools.length === 0) return null;
  return (
    <label class="row">
      Spool
      <select
        disabled={isBusy}
        aria-label={`Spool of ${id}`}
        value={loaded ?? ""}
        onChange={({ currentTarget }) => load(currentTarget.value)}
      >
        <option value="">none</option>
        {spools.map((spool) => (
          <option key={spool.id} value={spool.id}>
            {spool.id}: {spool.material}, {Math.floor(spool.leftG)} g
          </option>
        ))}
      </select>
    </label>
  );
}

interface BadPartProps {
  readonly id: string;
  readonly onClose: () => void;
  readonly onSay: (body: object) => void;
}

function BadPart({ id, onClose, onSay }: BadPartProps) {
  const [reason, setReason] = useState<string>(FAILURES[0]);
  const [note, setNote] = useState("");
  const body = { outcome: "failed", reason, ...(note.trim() === "" ? {} : { note: note.trim() }) };
  return (
    <Dialog title={`What went wrong on ${id}?`} onClose={onClose}>
      <div class="stack">
        <label class="stack">
          Reason
          <select value={reason} onChange={({ currentTarget }) => setReason(currentTarget.value)}>
            {FAILURES.map((name) => (
              <option key={name} value={name}>
                {words(name)}
              </option>
            ))}
          </select>
        </label>
        <label class="stack">
          In your words
          <input
            maxLength={200}
            value={note}
            onInput={({ currentTarget }) => setNote(currentTarget.value)}
          />
        </label>
        <p class="hint">This also says that the bed is clear: the next print may start.</p>
        <div class="row end">
          <Button data-safe onClick={onClose}>
            Not yet
          </Button>
          <Button
            look="primary"
            onClick={() => {
              onClose();
              onSay(body);
            }}
          >
            Bed is clear, part is bad
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
