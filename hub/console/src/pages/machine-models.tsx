// What the models of the machines do: where they are, how fast they answer, who waits for them.

import { useEffect } from "preact/hooks";
import type { ModelMachines } from "@gantry/shared/contract/schemas/models.ts";
import { bytes } from "../core/format.ts";
import { useNow } from "../live/now.ts";
import { refresh, useResource } from "../live/resources.ts";
import { Card, Empty, StateBadge, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const PATH = "/api/models";
/** It is live and has no events: machines tell it once a second at most. */
const LOOK_MS = 3_000;
const HEAD = ["Model", "Machine", "State", "Memory", "Tokens/s", "Running", "Waiting"];

export function MachineModels() {
  const told = useResource<ModelMachines>(PATH);
  const nowMs = useNow(LOOK_MS);
  useEffect(() => refresh([PATH]), [nowMs]);
  return (
    <Card title="Language models">
      <Waiting of={told}>
        {({ machines, queues }) =>
          machines.every(({ models }) => models.length === 0) ? (
            <Empty command="npx gantry models pull hf:USER/REPOSITORY">
              No machine has a model. Fetch one:
            </Empty>
          ) : (
            <>
              <Table caption="Models of each machine" head={HEAD}>
                {machines.flatMap((machine) =>
                  machine.models.map((model) => (
                    <tr key={`${machine.node}/${model.name}`}>
                      <td>
                        <strong>{model.name}</strong>
                        {model.isPinned ? <span class="faint"> pinned</span> : null}
                      </td>
                      <td>{machine.name}</td>
                      <td>
                        <StateBadge state={STATES[model.state] ?? model.state} />
                      </td>
                      <td>{model.bytes === undefined ? "" : bytes(model.bytes)}</td>
                      <td>{model.tokensPerS ?? ""}</td>
                      <td>{model.running}</td>
                      <td>{model.waiting + atTheHub(queues, model.name)}</td>
                    </tr>
                  )),
                )}
              </Table>
              <ul>
                {machines.flatMap((machine) =>
                  machine.memory.map(({ device, totalBytes, freeBytes }) => (
                    <li key={`${machine.node}/${device}`}>
                      {machine.name}, {device === "gpu" ? "graphics memory" : "memory"} for models:{" "}
                      {bytes(totalBytes - freeBytes)} of {bytes(totalBytes)}
                    </li>
                  )),
                )}
              </ul>
            </>
          )
        }
      </Waiting>
    </Card>
  );
}

const STATES: Readonly<Record<string, string>> = { ready: "loaded", absent: "on disk" };

const atTheHub = (queues: ModelMachines["queues"], name: string): number =>
  queues.find(({ model }) => model === name)?.waiting ?? 0;
