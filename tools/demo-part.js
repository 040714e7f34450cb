// npm run -s demo-part > tile.gcode: a small real part to try a printer with.
import { demoPart } from "./demo-part.ts";

process.stdout.write(demoPart({ centerMm: 50, layers: 10, nozzleC: 205, bedC: 60 }));
