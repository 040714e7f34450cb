// One printer: what it does, how hot it is, and what may be done with it now.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { useEffect, useState } from "preact/hooks";
import { isStopped } from "../core/attention.ts";
import { duration } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useConsole } from "../live/store.ts";
import { AskFirst } from "./dialog.tsx";
import { Badge, Button, Card, Facts, Progress, StateBadge } from "./parts.tsx";

export interface PrinterCardProps {
  readonly device: DeviceView;
  /** The print it holds, if it is known. */
  readonly print: PrintView | undefined;
}

export function PrinterCard({ device, print }: PrinterCardProps) {
  const { id, online, phase, temperatures, bed, job, progress, fault, sizeMm } = device;
  const remainingS = device.remainingS ?? print?.remainingS;
  return (
    <Card
      title={id}
      level={3}
      tone={isStopped(device) ? "bad" : "plain"}
      aside={
        <>
          {device.simulated && <Badge>simulated</Badge>}
          <StateBadge state={online ? phase : "offline"} />
        </>
      }
    >
      {fault !== undefined && <p class="problem">{fault.message}</p>}
      {device.webcamUrl !== undefined && online && <Camera id={id} />}
      {job !== undefined && (
        <div>
          <p class="row between">
            <a href={formatPlace("prints", job)}>{print?.name ?? job}</a>
            {remainingS !== undefined && <span class="faint">{duration(remainingS)} left</span>}
          </p>
          <Progress value={progress ?? print?.progress ?? 0} label={`Progress on ${id}`} />
        </div>
      )}
      {temperatures !== undefined && (
        <dl class="gauges">
          <Gauge name="Nozzle" nowC={temperatures.nozzleC} targetC={temperatures.nozzleTargetC} />
          <Gauge name="Bed" nowC={temperatures.bedC} targetC={temperatures.bedTargetC} />
        </dl>
      )}
      <Facts
        rows={[
          ["Bed", bed === "part" ? "holds a part" : "clear"],
          ["Volume, mm", `${sizeMm.x} × ${sizeMm.y} × ${sizeMm.z}`],
          ["Machine", device.machine],
        ]}
      />
      {print !== undefined && (
        <div class="row">
          <PrintActs print={print} />
        </div>
      )}
    </Card>
  );
}

/** A stream of pictures: the browser shows it as one that changes. */
function Camera({ id }: { readonly id: string }) {
  const [isGone, setGone] = useState(false);
  if (isGone) return <p class="faint">Its camera does not answer.</p>;
  return (
    <img
      class="camera"
      src={`/api/devices/${encodeURIComponent(id)}/camera?stream=1`}
      alt={`What the camera of ${id} sees`}
      onError={() => setGone(true)}
    />
  );
}

/** What a person must say before the printer is used again: the bed is empty, the fault is gone. */
export function PrinterActs({ device }: { readonly device: DeviceView }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { isBusy, run } = useAct();
  if (!mayAct(role, "operator")) return null;
  const { id, bedJob } = device;
  const path = `/api/devices/${encodeURIComponent(id)}`;
  const clear = (): void =>
    run(
      () => post(`${path}/bed-cleared`, bedJob === undefined ? {} : { job: bedJob }),
      `The bed of ${id} is clear`,
    );
  const reset = (): void => run(() => post(`${path}/reset`), `${id} is used again`);
  return isStopped(device) ? (
    <Button disabled={isBusy} onClick={reset}>
      Reset {id}
    </Button>
  ) : (
    <Button look="primary" disabled={isBusy} onClick={clear} aria-label={`Bed cleared: ${id}`}>
      Bed cleared
    </Button>
  );
}

/** Pause, resume, cancel: as the state of the print allows. A wish under way is shown instead. */
export function PrintActs({ print }: { readonly print: PrintView }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { isBusy, run } = useAct();
  const [isAsking, setAsking] = useState(false);
  const { id, name, state, wish } = print;
  const isOpen = ["awaiting", "ready", "printing", "paused"].includes(state);
  if (!isOpen || !mayAct(role, "operator")) return null;
  const path = `/api/fabrication/jobs/${encodeURIComponent(id)}`;
  const send = (verb: "pause" | "resume" | "cancel"): void => run(() => post(`${path}/${verb}`));
  return (
    <>
      {wish !== undefined && <Badge tone="warn">asked to {wish}</Badge>}
      {state === "printing" && (
        <Button disabled={isBusy || wish !== undefined} onClick={() => send("pause")}>
          Pause
        </Button>
      )}
      {state === "paused" && (
        <Button
          look="primary"
          disabled={isBusy || wish !== undefined}
          onClick={() => send("resume")}
        >
          Resume
        </Button>
      )}
      <Button look="danger" disabled={isBusy || wish === "cancel"} onClick={() => setAsking(true)}>
        Cancel print
      </Button>
      {isAsking && (
        <AskFirst
          title={`Cancel ${name}?`}
          text="The part on the bed stays as it is. A cancelled print cannot be resumed."
          verb="Cancel the print"
          onYes={() => send("cancel")}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}

const TRACE_MAX = 120;

function Gauge(props: { readonly name: string; readonly nowC: number; readonly targetC: number }) {
  const { name, nowC, targetC } = props;
  const [trace, setTrace] = useState<readonly number[]>([]);
  useEffect(() => setTrace((before) => [...before, nowC].slice(-TRACE_MAX)), [nowC]);
  return (
    <div class="gauge">
      <dt>{name}</dt>
      <dd>
        {nowC.toFixed(0)} <span class="target">{targetC > 0 ? `/ ${targetC} °C` : "°C"}</span>
        <Trace values={trace} topC={Math.max(targetC, 60)} />
      </dd>
    </div>
  );
}

/** The last readings as a line, 0 at the bottom; it says nothing that the number does not. */
function Trace({ values, topC }: { readonly values: readonly number[]; readonly topC: number }) {
  const points = values.map((value, index) => {
    const x = values.length < 2 ? 0 : (index / (values.length - 1)) * 100;
    const y = 19 - (Math.min(value, topC * 1.1) / (topC * 1.1)) * 18;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const line =
    points.length === 1 ? `${points.join("")} 100,${points[0]?.split(",")[1]}` : points.join(" ");
  return (
    <svg viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
      <polyline
        points={line}
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
        vector-effect="non-scaling-stroke"
      />
    </svg>
  );
}
