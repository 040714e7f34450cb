// What was found around the machines: approved, it becomes a printer; ignored, it is shown no more. And how
// all printers were at the last look.

import type {
  FleetHealthView,
  FoundListView,
  FoundView,
} from "@gantry/shared/contract/schemas/workshop.ts";
import { useState } from "preact/hooks";
import { dateTime } from "../core/format.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { refresh, useResource } from "../live/resources.ts";
import { useMayRun } from "../live/rights.ts";
import { Dialog } from "./dialog.tsx";
import { Badge, Button, Empty, StateBadge, Table } from "./parts.tsx";
import { Waiting } from "./waiting.tsx";

const FOUND = "/api/discovery";
const HEALTH = "/api/farm/health";

export function FarmFound() {
  const list = useResource<FoundListView>(FOUND);
  const { isBusy, run } = useAct();
  const scan = (): void =>
    run(async () => {
      await post(`${FOUND}/scan`, {});
      refresh([FOUND]);
    }, "Looked around");
  return (
    <section class="stack">
      <p class="row between">
        <span class="hint">
          Printers, cameras and brokers that tell of themselves on the network of a machine, or hang
          on its cables. Nothing is used before somebody says so.
        </span>
        <Button look="primary" disabled={isBusy} onClick={scan}>
          {isBusy ? "Looking around" : "Look around"}
        </Button>
      </p>
      <Waiting of={list}>
        {({ found, scannedAt, silent }) => (
          <>
            {silent.map(({ machine, why }) => (
              <p key={machine} class="problem">
                {machine} did not look: {why}
              </p>
            ))}
            {found.length === 0 ? (
              <Empty command="gantry printers discover">
                {scannedAt === null ? "Nobody has looked around yet." : "Nothing was found."}
              </Empty>
            ) : (
              <Table
                caption="Found devices"
                head={["Name", "Kind", "Where", "Seen by", "State", "Your word"]}
              >
                {found.map((one) => (
                  <FoundLine key={one.key} one={one} />
                ))}
              </Table>
            )}
          </>
        )}
      </Waiting>
    </section>
  );
}

function FoundLine({ one }: { readonly one: FoundView }) {
  const { key, name, kind, model, address, machine, state, printer, canAdopt } = one;
  const mayRun = useMayRun();
  const { isBusy, run } = useAct();
  const [isAsking, setAsking] = useState(false);
  const ignore = (ignored: boolean): void =>
    run(async () => {
      await post(`${FOUND}/ignore`, { key, ignored });
      refresh([FOUND]);
    });
  return (
    <tr>
      <td>{model === undefined ? name : `${name} (${model})`}</td>
      <td>{kind}</td>
      <td>{address}</td>
      <td>{machine}</td>
      <td>
        {state === "waiting" ? <Badge tone="warn">waits</Badge> : <Badge>{printer ?? state}</Badge>}
      </td>
      <td class="row">
        {mayRun && state === "waiting" && canAdopt && (
          <Button disabled={isBusy} onClick={() => setAsking(true)} aria-label={`Approve ${name}`}>
            Approve
          </Button>
        )}
        {mayRun && state === "waiting" && (
          <Button disabled={isBusy} onClick={() => ignore(true)} aria-label={`Ignore ${name}`}>
            Ignore
          </Button>
        )}
        {mayRun && state === "ignored" && (
          <Button disabled={isBusy} onClick={() => ignore(false)} aria-label={`Show ${name} again`}>
            Show again
          </Button>
        )}
        {isAsking && <Approve one={one} onClose={() => setAsking(false)} />}
      </td>
    </tr>
  );
}

/** What opens each kind, as its own screens call it. */
const SECRETS: Readonly<Record<string, string>> = {
  moonraker: "API key, if it wants one",
  octoprint: "API key",
  prusalink: "API key",
  bambu: "Access code",
};

function Approve({ one, onClose }: { readonly one: FoundView; readonly onClose: () => void }) {
  const { isBusy, run } = useAct();
  const [printer, setPrinter] = useState(
    one.name
      .replaceAll(/[^A-Za-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, "")
      .slice(0, 40)
      .toLowerCase(),
  );
  const [secret, setSecret] = useState("");
  const label = SECRETS[one.kind];
  const approve = (event: Event): void => {
    event.preventDefault();
    const body = { key: one.key, printer, ...(secret === "" ? {} : { secret }) };
    run(async () => {
      await post(`${FOUND}/approve`, body);
      refresh([FOUND]);
      onClose();
    }, `${printer} is a printer of ${one.machine}`);
  };
  return (
    <Dialog title={`Approve ${one.name}`} onClose={onClose}>
      <form class="stack" onSubmit={approve}>
        <label>
          Name of the printer
          <input
            required
            pattern="[A-Za-z0-9][A-Za-z0-9_\-]{0,62}"
            value={printer}
            onInput={({ currentTarget }) => setPrinter(currentTarget.value)}
          />
        </label>
        {label !== undefined && (
          <label>
            {label}
            <input
              type="password"
              autocomplete="off"
              value={secret}
              onInput={({ currentTarget }) => setSecret(currentTarget.value)}
            />
          </label>
        )}
        <p class="hint">
          It goes to {one.machine}, which keeps it for itself, and drives the printer.
        </p>
        <Button look="primary" type="submit" disabled={isBusy}>
          Approve
        </Button>
      </form>
    </Dialog>
  );
}

export function FarmHealth() {
  const list = useResource<FleetHealthView>(HEALTH);
  const mayRun = useMayRun();
  const { isBusy, run } = useAct();
  const look = (): void =>
    run(async () => {
      await post(HEALTH, {});
      refresh([HEALTH]);
    }, "Every printer was looked at");
  return (
    <Waiting of={list}>
      {({ checks, nextAt }) => {
        const [last] = checks;
        return (
          <section class="stack">
            <p class="row between">
              <span class="hint">
                {last === undefined ? "Nobody has looked yet." : `As of ${dateTime(last.at)}.`}
                {nextAt !== null && ` The next look is at ${dateTime(nextAt)}.`}
              </span>
              {mayRun && (
                <Button look="primary" disabled={isBusy} onClick={look}>
                  Look now
                </Button>
              )}
            </p>
            {last === undefined ? (
              <Empty command="gantry printers health --now">
                All printers are looked at every four hours.
              </Empty>
            ) : (
              <Table
                caption="Health of the printers"
                head={["Printer", "Health", "Phase", "Machine", "Why"]}
              >
                {last.printers.map(({ printer, state, phase, machine, why }) => (
                  <tr key={printer}>
                    <td>{printer}</td>
                    <td>
                      <StateBadge state={state} />
                    </td>
                    <td>{phase}</td>
                    <td>{machine}</td>
                    <td>{why}</td>
                  </tr>
                ))}
              </Table>
            )}
          </section>
        );
      }}
    </Waiting>
  );
}
