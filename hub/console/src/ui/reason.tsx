import { useId, useState } from "preact/hooks";
import { Dialog } from "./dialog.tsx";
import { Button } from "./parts.tsx";

export interface AskReasonProps {
  readonly title: string;
  readonly text: string;
  /** The word on the button that does it. */
  readonly verb: string;
  readonly look?: "primary" | "danger";
  /** The hub keeps the reason with what was done; some acts are refused without one. */
  readonly isNeeded?: boolean;
  readonly onYes: (reason: string) => void;
  readonly onClose: () => void;
}

/** Asks before something that cannot be taken back, and why it is done. */
export function AskReason(props: AskReasonProps) {
  const { title, text, verb, look = "danger", isNeeded = false, onYes, onClose } = props;
  const [reason, setReason] = useState("");
  const field = useId();
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div>
        <label for={field}>{isNeeded ? "Reason" : "Reason (may be left out)"}</label>
        <textarea
          id={field}
          data-safe
          rows={2}
          maxLength={1_000}
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </div>
      <div class="row end">
        <Button onClick={onClose}>Keep it</Button>
        <Button
          look={look}
          disabled={isNeeded && reason.trim() === ""}
          onClick={() => {
            onClose();
            onYes(reason.trim());
          }}
        >
          {verb}
        </Button>
      </div>
    </Dialog>
  );
}
