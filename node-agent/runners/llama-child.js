// The child process of one model: `fork(this file)`. Opens the compile cache before any .ts loads.
import { enableCompileCache } from "node:module";

enableCompileCache({ portable: true });
await import("./llama-child.ts");
