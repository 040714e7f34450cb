import { LIMIT } from "@gantry/shared/base/policy.ts";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Button } from "./parts.tsx";

export interface ComposerProps {
  readonly isAsking: boolean;
  readonly onAsk: (prompt: string) => void;
  readonly onStop: () => void;
}

/** Enter asks, Shift+Enter makes a line, Escape stops the answer. */
export function Composer({ isAsking, onAsk, onStop }: ComposerProps) {
  const [prompt, setPrompt] = useState("");
  const field = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover the page; there the person taps the field.
    if (matchMedia("(pointer: fine)").matches) area.current?.focus({ preventScroll: true });
  }, []);
  const send = (): void => {
    const text = prompt.trim();
    if (text === "" || isAsking) return;
    setPrompt("");
    onAsk(text);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="unseen" for={field}>
        Your question or order
      </label>
      <div class="composer-box">
        <textarea
          ref={area}
          id={field}
          rows={1}
          maxLength={LIMIT.promptChars.max}
          placeholder="Ask, or say what to do"
          value={prompt}
          onInput={(event) => setPrompt(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") onStop();
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        {isAsking ? (
          <Button onClick={onStop}>Stop answer</Button>
        ) : (
          <Button look="primary" type="submit" disabled={prompt.trim() === ""}>
            Ask
          </Button>
        )}
      </div>
    </form>
  );
}
