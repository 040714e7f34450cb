// A G-code file to a printer. The hub scans it before anything else; what it found is shown with the
// confirmation that it asks for.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { PrintAccepted, PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { useId, useState } from "preact/hooks";
import { bytes, printName } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { DeviceList, Problem } from "../core/views.ts";
import { call, ProblemError } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { ConfirmationCard } from "./confirmation.tsx";
import { Button, Card, ProblemNote, StateBadge } from "./parts.tsx";
import { PrintFacts } from "./print-facts.tsx";

type Sending =
  | { readonly kind: "choosing"; readonly problem?: Problem }
  | { readonly kind: "sending" }
  | { readonly kind: "accepted"; readonly id: string };

/** Largest jobs are 256 MiB; a slow Wi-Fi of 1 MB/s needs under five minutes for one. */
const UPLOAD_MS = 600_000;

export function Upload() {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const devices = useResource<DeviceList>("/api/devices");
  const [file, setFile] = useState<File>();
  const [chosen, setChosen] = useState<string>();
  const [sending, setSending] = useState<Sending>({ kind: "choosing" });
  const [fileField, printerField] = [useId(), useId()];
  const printers = devices.value?.devices ?? [];
  const printer = chosen ?? printers[0]?.id;
  if (!mayAct(role, "maker")) return null;
  const send = async (): Promise<void> => {
    if (file === undefined || printer === undefined) return;
    setSending({ kind: "sending" });
    try {
      const { job } = await upload(file, printer);
      setSending({ kind: "accepted", id: job.id });
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setSending({ kind: "choosing", problem: error.problem });
    }
  };
  return (
    <Card title="Print a file">
      {sending.kind === "accepted" ? (
        <Accepted id={sending.id} onAgain={() => setSending({ kind: "choosing" })} />
      ) : (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <div>
            <label for={fileField}>G-code file</label>
            <input
              id={fileField}
              type="file"
              accept=".gcode,.gco,.g,text/x.gcode"
              onChange={(event) => setFile(event.currentTarget.files?.[0])}
            />
          </div>
          <div>
            <label for={printerField}>Printer</label>
            <select
              id={printerField}
              value={printer}
              onChange={(event) => setChosen(event.currentTarget.value)}
            >
              {printers.map(({ id, phase, online }) => (
                <option key={id} value={id}>
                  {id} ({online ? phase : "offline"})
                </option>
              ))}
            </select>
          </div>
          <Button
            type="submit"
            look="primary"
            disabled={file === undefined || printer === undefined || sending.kind === "sending"}
          >
            {sending.kind === "sending" ? "Sending" : "Send and scan"}
          </Button>
          {file !== undefined && <p class="faint">{bytes(file.size)}</p>}
          {sending.kind === "choosing" && sending.problem !== undefined && (
            <ProblemNote problem={sending.problem} />
          )}
        </form>
      )}
    </Card>
  );
}

/** Multipart, so that the file goes as a stream; the fields before it, so that the hub knows them. */
function upload(file: File, printer: string): Promise<PrintAccepted> {
  const body = new FormData();
  body.append("printer", printer);
  body.append("name", printName(file.name));
  body.append("file", file, "job.gcode");
  return call<PrintAccepted>("/api/fabrication/jobs", {
    method: "POST",
    body,
    timeoutMs: UPLOAD_MS,
  });
}

function Accepted({ id, onAgain }: { readonly id: string; readonly onAgain: () => void }) {
  const { value: print } = useResource<PrintView>(
    `/api/fabrication/jobs/${encodeURIComponent(id)}`,
  );
  return (
    <div class="stack" aria-live="polite">
      {print !== undefined && (
        <>
          <p class="row between">
            <a href={formatPlace("prints", id)}>{print.name}</a>
            <StateBadge state={print.state} />
          </p>
          <PrintFacts print={print} />
          {print.confirmation !== undefined && (
            <ConfirmationCard confirmation={print.confirmation} />
          )}
        </>
      )}
      <Button onClick={onAgain}>Another file</Button>
    </div>
  );
}
