// What a page shows before, instead of, or beside the answer it waits for.

import type { ComponentChildren } from "preact";
import type { Resource } from "../live/resources.ts";
import { ProblemNote } from "./parts.tsx";

/** Draws the value when there is one; a failed reading is shown above the value before it. */
export function Waiting<T>({
  of,
  children,
}: {
  readonly of: Resource<T>;
  readonly children: (value: T) => ComponentChildren;
}) {
  return (
    <>
      {of.problem !== undefined && <ProblemNote problem={of.problem} />}
      {of.value !== undefined && children(of.value)}
      {of.value === undefined && of.problem === undefined && (
        <div class="skeleton" role="status">
          <span class="unseen">Loading</span>
        </div>
      )}
    </>
  );
}
