// The stop button and what became of a press.

import { closeStop, stopAll, stopSentence, useStop } from "../live/emergency.ts";
import { Button, ProblemNote } from "./parts.tsx";

export function StopButton() {
  const stop = useStop();
  return (
    <button
      type="button"
      class="stop"
      aria-label="Emergency stop"
      aria-keyshortcuts="Alt+Shift+S"
      title="Stops all printers at once (Alt+Shift+S)"
      onClick={() => void stopAll()}
    >
      <span aria-hidden="true" class="stop-sign" />
      <span aria-hidden="true">{stop.kind === "stopping" ? "STOPPING" : "STOP"}</span>
    </button>
  );
}

/** Stays until the person closes it. */
export function StopReport() {
  const stop = useStop();
  if (stop.kind === "armed") return null;
  return (
    <div class="stop-report" role="alert">
      {stop.kind === "stopping" && <strong>Stopping all printers</strong>}
      {stop.kind === "stopped" && (
        <>
          <strong>Emergency stop sent</strong>
          <p>{stopSentence(stop)}</p>
          <p>Look at the machine first. Then reset each printer to use it again.</p>
        </>
      )}
      {stop.kind === "failed" && (
        <>
          <strong>THE STOP DID NOT GET THROUGH. Cut the power at the printer.</strong>
          <ProblemNote problem={stop.problem} />
        </>
      )}
      {stop.kind !== "stopping" && <Button onClick={closeStop}>Close</Button>}
    </div>
  );
}
