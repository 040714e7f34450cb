// Which machines can make parts. Pure.

import { CAD_NEEDS, type CadNeed, type Capabilities } from "@gantry/shared/contract/rows.ts";

export const isCadNeed = (needs: string): needs is CadNeed =>
  CAD_NEEDS.some((one) => one === needs);

export function canMake({ cad, slicer }: Capabilities, need: CadNeed): boolean {
  return need.split("+").every((part) => {
    if (part === "slice") return slicer !== undefined;
    return part === "cad-free" ? cad?.isIsolated === true : cad !== undefined;
  });
}
