// Files as OctoPrint lists them: the prints of ours, each name once, the newest.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { DoorContext, DoorDeps } from "../door.ts";
import { readParams } from "../input.ts";
import { askDesk } from "./choose.ts";

/** A page of the desk's; slicers show a list and do not turn pages. */
const PRINTS_LOOKED_AT = 200;

export async function filesOf(deps: DoorDeps, c: DoorContext): Promise<readonly PrintView[]> {
  const reply = await askDesk(deps, c, "prints", { query: { limit: PRINTS_LOOKED_AT } });
  const { jobs } = reply as { readonly jobs: readonly PrintView[] };
  const newest = new Map<string, PrintView>();
  for (const job of jobs) if (!newest.has(job.name)) newest.set(job.name, job);
  return [...newest.values()];
}

/** The newest print of the name in the path, with or without its ending. Throws not_found. */
export async function printNamed(deps: DoorDeps, c: DoorContext): Promise<PrintView> {
  const { gcode: file = "" } = readParams(c, "slicerFile");
  const bare = withoutEnding(file);
  const found = (await filesOf(deps, c)).find(({ name }) => withoutEnding(name) === bare);
  if (found === undefined) throw new GantryError("not_found", `There is no file ${file}`);
  return found;
}

/** `part.gcode` is shown to people as `part`. */
export const withoutEnding = (name: string): string => name.replace(/\.(gcode|gco|g)$/i, "");

export const fileView = ({ name, gcode, createdAt }: PrintView): object => {
  const file = `${withoutEnding(name)}.gcode`;
  return {
    name: file,
    display: file,
    path: file,
    type: "machinecode",
    typePath: ["machinecode", "gcode"],
    origin: "local",
    size: gcode.sizeBytes,
    date: Math.floor(Date.parse(createdAt) / 1_000),
    refs: { resource: `/api/files/local/${encodeURIComponent(file)}` },
  };
};
