import { mayAct } from "@gantry/shared/contract/roles.ts";
import { useConsole } from "./store.ts";

/** May the person who is here run printers: operators and above? */
export const useMayRun = (): boolean =>
  useConsole(({ session }) => session.kind === "in" && mayAct(session.me.role, "operator"));
