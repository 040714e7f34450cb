// What a patch changes, read when somebody wants to see it.

import type { DifferenceView } from "@gantry/shared/contract/schemas/differences.ts";
import { useState } from "preact/hooks";
import { differenceLines, SIGNS } from "../core/difference-lines.ts";
import type { PatchFault } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Waiting } from "./waiting.tsx";

interface Read {
  readonly difference?: DifferenceView;
  readonly faults?: readonly PatchFault[];
}

/** `path`: of one patch, or of the patch of an approval. */
export function PatchDifference({
  path,
  title,
}: {
  readonly path: string;
  readonly title: string;
}) {
  const [isOpen, setOpen] = useState(false);
  const read = useResource<Read>(isOpen ? path : undefined);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen && (
        <Waiting of={read}>
          {({ difference, faults = [] }) =>
            difference === undefined ? <Faults faults={faults} /> : <Difference of={difference} />
          }
        </Waiting>
      )}
    </details>
  );
}

export function Difference({ of }: { readonly of: DifferenceView }) {
  const lines = differenceLines(of);
  if (lines.length === 0) return <p class="faint">It changes nothing.</p>;
  return (
    <ul class="difference">
      {lines.map(({ change, depth, text }, at) => (
        <li key={at} class={depth === 0 ? change : `${change} inner`}>
          <span aria-hidden="true">{SIGNS[change]} </span>
          <span class="unseen">{change} </span>
          {text}
        </li>
      ))}
    </ul>
  );
}

function Faults({ faults }: { readonly faults: readonly PatchFault[] }) {
  if (faults.length === 0) return <p class="faint">What it changes is not known any more.</p>;
  return (
    <div class="problem">
      <strong>The run has changed since, and it does not fit any more.</strong>
      <ul>
        {faults.map(({ code, pointer, message, hint }) => (
          <li key={`${code} ${pointer}`}>
            {message}. <span class="faint">{hint}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
