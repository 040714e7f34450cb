// The overview: what needs a person first, then the printers, the work and the machines.

import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { needsOf, type Need } from "../core/attention.ts";
import { heardAtMs } from "../core/cache.ts";
import { ago, count } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import {
  modelsOf,
  type ConfirmationList,
  type DeviceList,
  type JobPage,
  type PrintPage,
  type Registry,
} from "../core/views.ts";
import { useNow } from "../live/now.ts";
import { useResource } from "../live/resources.ts";
import { ConfirmationCard } from "../ui/confirmation.tsx";
import { Card, Empty, PageHead, Progress, StateBadge } from "../ui/parts.tsx";
import { PrinterActs, PrinterCard } from "../ui/printer.tsx";
import { Resolve } from "../ui/resolve.tsx";
import { Waiting } from "../ui/waiting.tsx";

export function OverviewPage() {
  const devices = useResource<DeviceList>("/api/devices");
  const prints = useResource<PrintPage>("/api/fabrication/jobs");
  const jobs = useResource<JobPage>("/api/jobs");
  const confirmations = useResource<ConfirmationList>("/api/confirmations");
  const machines = useResource<Registry>("/api/registry");
  const needs = needsOf({
    devices: devices.value?.devices ?? [],
    prints: prints.value?.jobs ?? [],
    jobs: jobs.value?.jobs ?? [],
    confirmations: confirmations.value?.confirmations ?? [],
    machines: machines.value?.nodes ?? [],
  });
  const isRead = devices.value !== undefined && confirmations.value !== undefined;
  return (
    <div class="page">
      <PageHead title="Overview" />
      <section aria-label="What needs you">
        {needs.length === 0 && isRead && <p class="all-well">Nothing needs you now.</p>}
        <ul class="needs">
          {needs.map((need) => (
            <li key={keyOf(need)}>
              <NeedLine need={need} />
            </li>
          ))}
        </ul>
      </section>
      <section class="stack" aria-label="Printers">
        <Waiting of={devices}>
          {(list) =>
            list.devices.length === 0 ? (
              <Empty command="GANTRY_PRINTERS='sim=sim:' npm start">
                No printer is known. Name one and start again:
              </Empty>
            ) : (
              <div class="grid">
                {list.devices.map((device) => (
                  <PrinterCard
                    key={device.id}
                    device={device}
                    print={printOn(device, prints.value)}
                  />
                ))}
              </div>
            )
          }
        </Waiting>
      </section>
      <div class="split">
        <Card title="Under way" aside={<a href="#/prints">All prints</a>}>
          <Waiting of={prints}>{(page) => <UnderWay prints={page} jobs={jobs.value} />}</Waiting>
        </Card>
        <Card title="Machines" aside={<a href="#/machines">Details</a>}>
          <Waiting of={machines}>
            {(registry) => <MachineLines registry={registry} readAtMs={machines.atMs} />}
          </Waiting>
        </Card>
      </div>
    </div>
  );
}

const printOn = (device: DeviceView, page: PrintPage | undefined): PrintView | undefined =>
  page?.jobs.find(({ id }) => id === device.job);

function keyOf(need: Need): string {
  switch (need.kind) {
    case "confirmation":
      return need.confirmation.id;
    case "unresolved":
      return need.print.id;
    case "unseenJob":
      return need.job.id;
    case "machine":
      return need.machine.id;
    case "fault":
    case "bed":
    case "offline":
      return `${need.kind} ${need.device.id}`;
  }
}

function NeedLine({ need }: { readonly need: Need }) {
  switch (need.kind) {
    case "confirmation":
      return <ConfirmationCard confirmation={need.confirmation} />;
    case "fault":
      return (
        <div class="need bad">
          <p>
            <strong>{need.device.id}</strong>{" "}
            {need.device.phase === "stopped" ? "was stopped" : "reports a fault"}
            {need.device.fault !== undefined && `: ${need.device.fault.message}`}. Look at the
            machine, then reset it.
          </p>
          <PrinterActs device={need.device} />
        </div>
      );
    case "unresolved":
      return (
        <div class="need bad">
          <p>
            Nobody saw the end of{" "}
            <a href={formatPlace("prints", need.print.id)}>{need.print.name}</a> on{" "}
            {need.print.printer}. Look at the bed and say what became of it.
          </p>
          <Resolve print={need.print} />
        </div>
      );
    case "bed":
      return (
        <div class="need">
          <p>
            <strong>{need.device.id}</strong> holds a part. Take it off before the next print.
          </p>
          <PrinterActs device={need.device} />
        </div>
      );
    case "unseenJob":
      return (
        <div class="need bad">
          <p>
            The machine running <code>{need.job.needs}</code> vanished; nobody saw its end.
          </p>
          <a class="button" href={formatPlace("jobs")}>
            See jobs
          </a>
        </div>
      );
    case "machine":
      return (
        <div class="need">
          <p>
            The machine <strong>{need.machine.name}</strong> is {need.machine.state}.
          </p>
          <code class="command">systemctl status gantry-agent</code>
        </div>
      );
    case "offline":
      return (
        <div class="need">
          <p>
            <strong>{need.device.id}</strong> does not answer. Check its power and cable.
          </p>
        </div>
      );
  }
}

const OPEN = new Set(["awaiting", "ready", "leased", "printing", "paused"]);

function UnderWay({ prints, jobs }: { prints: PrintPage; jobs: JobPage | undefined }) {
  const openPrints = prints.jobs.filter(({ state }) => OPEN.has(state));
  const openJobs = jobs?.jobs.filter(({ state }) => OPEN.has(state)) ?? [];
  if (openPrints.length + openJobs.length === 0) {
    return <Empty command="npx gantry print part.gcode --on PRINTER">Nothing runs or waits.</Empty>;
  }
  return (
    <ul class="lines">
      {openPrints.map((print) => (
        <li key={print.id}>
          <span>
            <a href={formatPlace("prints", print.id)}>{print.name}</a>{" "}
            <span class="faint">
              {print.waitsFor === undefined ? `on ${print.printer}` : `waits: ${print.waitsFor}`}
            </span>
          </span>
          <StateBadge state={print.state} />
          {print.progress > 0 && (
            <Progress value={print.progress} label={`Progress of ${print.name}`} />
          )}
        </li>
      ))}
      {openJobs.map((job) => (
        <li key={job.id}>
          <a href="#/jobs">{job.needs}</a>
          <StateBadge state={job.state} />
        </li>
      ))}
    </ul>
  );
}

function MachineLines({ registry, readAtMs }: { registry: Registry; readAtMs: number }) {
  const nowMs = useNow();
  if (registry.nodes.length === 0) {
    return (
      <Empty command="npx gantry join-code NAME">No machine has joined. Make a code for one:</Empty>
    );
  }
  return (
    <ul class="lines">
      {registry.nodes.map(({ id, name, state, lastSeenMs, capabilities }) => (
        <li key={id}>
          <span>
            {name}{" "}
            <span class="faint">
              {count(modelsOf(capabilities).length, "model")} ·{" "}
              {ago(heardAtMs(lastSeenMs, readAtMs), nowMs)}
            </span>
          </span>
          <StateBadge state={state} />
        </li>
      ))}
    </ul>
  );
}
