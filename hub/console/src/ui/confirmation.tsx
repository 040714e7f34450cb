// What waits for a person's word: exactly what will be done, what may hurt, and how long it waits.

import { HAZARD_POLICY, mayAct } from "@gantry/shared/contract/roles.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import { useEffect, useId, useState } from "preact/hooks";
import { countdown, words } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { HAZARD_TONE } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useNow } from "../live/now.ts";
import { useConsole } from "../live/store.ts";
import { Badge, Button, Card, Facts, Hash } from "./parts.tsx";

export function ConfirmationCard({ confirmation }: { readonly confirmation: ConfirmationView }) {
  const { id, summary, hazardClass, hazards, state, person, conversationId } = confirmation;
  const secondsLeft = useSecondsLeft(confirmation);
  const isOpen = state === "pending" && secondsLeft > 0;
  return (
    <Card
      title={summary}
      level={3}
      tone={isOpen ? "warn" : "plain"}
      aside={<Badge tone={HAZARD_TONE[hazardClass]}>{hazardClass} hazard</Badge>}
    >
      {hazards.length > 0 && (
        <ul class="hazards" aria-label="Hazards">
          {hazards.map((hazard) => (
            <li key={hazard}>{hazard}</li>
          ))}
        </ul>
      )}
      <Facts
        rows={[
          ["Does", words(confirmation.tool)],
          ...Object.entries(confirmation.args).map(
            ([name, value]) =>
              [
                name === "sha256" ? "File hash" : words(name),
                <ArgumentValue key={name} value={value} />,
              ] as const,
          ),
          ["Asked by", person],
          [
            "Conversation",
            conversationId === undefined ? undefined : (
              <a href={formatPlace("ask", conversationId)}>open</a>
            ),
          ],
        ]}
      />
      {isOpen ? (
        <Decision key={id} confirmation={confirmation} secondsLeft={secondsLeft} />
      ) : (
        <p class="faint">{CLOSED[state === "pending" ? "expired" : state]}</p>
      )}
    </Card>
  );
}

const CLOSED = {
  consumed: "Confirmed. It was done once and cannot be confirmed again.",
  cancelled: "Withdrawn. Nothing was done.",
  expired: "Expired. Nothing was done; ask for it again.",
} as const;

function Decision({
  confirmation,
  secondsLeft,
}: {
  readonly confirmation: ConfirmationView;
  readonly secondsLeft: number;
}) {
  const { id, phrase, hazardClass } = confirmation;
  const [typed, setTyped] = useState("");
  const { isBusy, run } = useAct();
  const field = useId();
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { role: needed } = HAZARD_POLICY[hazardClass];
  const isAllowed = mayAct(role, needed) && mayAct(role, "maker");
  // The hub alone compares phrases: what is typed goes there as it is, right or wrong.
  const confirm = (words: string | null): void =>
    run(async () => {
      await post(`/api/confirmation/${encodeURIComponent(id)}/confirm`, { phrase: words });
      setTyped("");
    }, "Confirmed");
  const refuse = (): void =>
    run(
      () => call(`/api/confirmation/${encodeURIComponent(id)}`, { method: "DELETE" }),
      "Refused. Nothing was done.",
    );
  return (
    <form
      class="decision"
      onSubmit={(event) => {
        event.preventDefault();
        confirm(typed);
      }}
    >
      {!isAllowed && (
        <p class="faint">
          Needs the role {needed}; you are {role}.
        </p>
      )}
      <div class="row">
        <Button look="primary" disabled={!isAllowed || isBusy} onClick={() => confirm(null)}>
          Approve
        </Button>
        <Button disabled={isBusy} onClick={refuse}>
          Refuse
        </Button>
        <span class={secondsLeft <= 60 ? "clock late" : "clock"} role="timer">
          {countdown(secondsLeft)} left
        </span>
      </div>
      <label for={field}>
        or type the phrase <kbd>{phrase}</kbd>
      </label>
      <div class="row fill">
        <input
          id={field}
          value={typed}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          disabled={!isAllowed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" disabled={!isAllowed || isBusy || typed.trim() === ""}>
          Confirm
        </Button>
      </div>
    </form>
  );
}

/** Counts from what the hub said, not from the clock of this machine, which may be wrong. */
function useSecondsLeft({ id, secondsLeft }: ConfirmationView): number {
  const nowMs = useNow();
  const [endMs, setEndMs] = useState(() => Date.now() + secondsLeft * 1_000);
  useEffect(() => setEndMs(Date.now() + secondsLeft * 1_000), [id, secondsLeft]);
  return (endMs - nowMs) / 1_000;
}

function ArgumentValue({ value }: { readonly value: unknown }) {
  if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return <Hash value={value} />;
  return <>{typeof value === "string" ? value : JSON.stringify(value)}</>;
}
