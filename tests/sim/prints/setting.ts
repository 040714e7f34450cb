// The one file that is printed in the simulated workshop.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { factsOf } from "../hands/setting.ts";

const TEXT = "G28\nG1 X10 F600\n";

export const FILE = {
  bytes: Buffer.from(TEXT),
  sha256: sha256(TEXT),
  facts: factsOf(TEXT),
} as const;
