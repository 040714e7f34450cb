// The speech process: `fork(this file)`. Opens the compile cache before any .ts loads.
import { enableCompileCache } from "node:module";

enableCompileCache({ portable: true });
await import("./sherpa-child.ts");
