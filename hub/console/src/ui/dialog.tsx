// A modal question with the browser's own <dialog>: focus is kept inside and given back, Escape closes.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./parts.tsx";
import { StopButton } from "./stop.tsx";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/**
 * Open while it is drawn. The rest of the page is inert then, so the stop button is here too (E1). The
 * child marked `data-safe` gets the focus: the button that changes nothing.
 */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // The browser would focus the first button, and that is the stop: Enter must not press it.
    shown?.querySelector<HTMLElement>("[data-safe]")?.focus();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onCancel={onClose} onClose={onClose}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        <StopButton />
      </header>
      {children}
    </dialog>
  );
}

export interface AskFirstProps {
  readonly title: string;
  readonly text: string;
  /** The word on the button that does it. */
  readonly verb: string;
  readonly onYes: () => void;
  readonly onClose: () => void;
}

/** Asks before something that cannot be taken back. */
export function AskFirst({ title, text, verb, onYes, onClose }: AskFirstProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div class="row end">
        <Button data-safe onClick={onClose}>
          Keep it
        </Button>
        <Button
          look="danger"
          onClick={() => {
            onClose();
            onYes();
          }}
        >
          {verb}
        </Button>
      </div>
    </Dialog>
  );
}
