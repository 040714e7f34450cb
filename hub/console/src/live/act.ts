// Doing: a press of a button as a call, with its outcome said to the person.

import { useState } from "preact/hooks";
import { ProblemError } from "./api.ts";
import { refreshAll } from "./resources.ts";
import { notify } from "./store.ts";

export interface Act {
  readonly isBusy: boolean;
  /** Runs it unless it runs already. `done`: what to say when it went well. */
  readonly run: (work: () => Promise<unknown>, done?: string) => void;
}

/** A failure becomes a notice with its hint; afterwards the screen is read again. */
export function useAct(): Act {
  const [isBusy, setBusy] = useState(false);
  const perform = async (work: () => Promise<unknown>, done?: string): Promise<void> => {
    setBusy(true);
    try {
      await work();
      if (done !== undefined) notify("good", done);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      notify("bad", error.problem.title, error.problem);
    } finally {
      setBusy(false);
      refreshAll();
    }
  };
  return {
    isBusy,
    run: (work, done) => {
      if (!isBusy) void perform(work, done);
    },
  };
}
