// The farm: prints that any printer that fits may do. What a print needs, what a printer and a spool
// are said to be, and how prints turned out. Rows and commands; the schemas of the routes are in
// schemas/farm.ts. Masses are grams, times ms since 1970, money millionths of a US dollar.

import type { PrintDraft } from "./commands.ts";

/** In place of a printer's id: whichever fits. No printer may have this name. */
export const ANY_PRINTER = "any";

/** What a printer must be or hold, besides what the file itself asks for (volume, heat, dialect). */
export interface PrintNeeds {
  /** Compared without regard to case. */
  readonly material?: string;
  /** RRGGBB, upper case. */
  readonly color?: string;
  readonly nozzleMm?: number;
  /** Printable volume that it must have at least. */
  readonly sizeMm?: { readonly x: number; readonly y: number; readonly z: number };
  readonly labels?: readonly string[];
}

export interface FarmOrder {
  readonly needs: PrintNeeds;
  /** Of printers for which the file was read. */
  readonly dialect: "marlin" | "klipper";
  readonly deadlineAtMs?: number;
  /** 0 to 9; 9 is the most urgent. */
  readonly priority: number;
}

export const PRIORITY = { min: 0, usual: 5, max: 9 } as const;

export interface OffPeak {
  /** Minutes after midnight in `zone`; the time may go over midnight. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** IANA time zone. */
  readonly zone: string;
  /** Prints that take longer start in this time only. */
  readonly longerThanS: number;
}

/** What a person says about a printer. Left out: not known, and what needs it does not fit. */
export interface PrinterProfile {
  readonly nozzleMm?: number;
  /** What is loaded where no spool of the inventory is. */
  readonly material?: string;
  readonly color?: string;
  readonly labels: readonly string[];
  /** Print hours between two maintenances. */
  readonly maintenanceEveryH?: number;
  readonly offPeak?: OffPeak;
  readonly costMicroUsdPerH?: number;
  /** It keeps its facts and takes no print of the farm. */
  readonly isHeld: boolean;
}

/** A printer is of the farm when it has such a row. */
export interface FarmPrinterRow extends PrinterProfile {
  readonly id: string;
  /** Spool of the inventory that is loaded. */
  readonly spool?: string;
  /** Seconds that it has printed, and of these since the last maintenance. */
  readonly printedS: number;
  readonly sinceMaintenanceS: number;
  readonly maintainedAtMs?: number;
  readonly maintainedBy?: string;
  readonly changedAtMs: number;
}

export interface SpoolFacts {
  readonly material: string;
  readonly color?: string;
  readonly name?: string;
  readonly leftG: number;
  readonly costMicroUsdPerKg?: number;
}

export interface SpoolRow extends SpoolFacts {
  readonly id: string;
  /** Where it is loaded. */
  readonly printer?: string;
  /** For the print that holds that printer. */
  readonly reserved?: { readonly job: string; readonly grams: number };
  readonly usedG: number;
  readonly changedAtMs: number;
}

/** What a print took, once it is over. */
export interface PrintUse {
  readonly printedS: number;
  readonly grams?: number;
  readonly material?: string;
  readonly spool?: string;
  readonly costMicroUsd?: number;
}

export const FAILURES = [
  "adhesion",
  "warping",
  "layer_shift",
  "spaghetti",
  "stringing",
  "under_extrusion",
  "clogged_nozzle",
  "filament_out",
  "wrong_settings",
  "damaged",
  "other",
] as const;
export type Failure = (typeof FAILURES)[number];

/** The word of the person who took the part off. */
export interface PrintOutcome {
  readonly isGood: boolean;
  readonly reason?: Failure;
  readonly note?: string;
  readonly by: string;
  readonly atMs: number;
}

/** How prints turned out. Key: `printer/ID`, `material/NAME` or `file/SHA256`. */
export interface TallyRow {
  readonly key: string;
  /** What people call it: the name of the file where the key is a hash. */
  readonly name: string;
  readonly good: number;
  readonly bad: number;
  readonly reasons: Readonly<Partial<Record<Failure, number>>>;
  readonly printedS: number;
  readonly grams: number;
  readonly changedAtMs: number;
}

export type FarmCommand =
  | ({
      readonly type: "farmPrintSubmitted";
      readonly farm: FarmOrder;
      readonly grams?: number;
    } & PrintDraft)
  /** Of a print of the farm that is ready: this printer is to take it. */
  | {
      readonly type: "printAssigned";
      readonly job: string;
      readonly printer: string;
      readonly why: string;
    }
  | {
      readonly type: "printRanked";
      readonly job: string;
      readonly priority?: number;
      /** null takes it away. */
      readonly deadlineAtMs?: number | null;
    }
  /** Takes the place of all facts that were said before. */
  | { readonly type: "printerProfiled"; readonly device: string; readonly profile: PrinterProfile }
  /** It is not of the farm any more. */
  | { readonly type: "printerUnprofiled"; readonly device: string }
  | { readonly type: "printerMaintained"; readonly device: string }
  /** Makes a spool or takes the place of its facts. */
  | ({ readonly type: "spoolKept"; readonly spool: string } & SpoolFacts)
  | { readonly type: "spoolDropped"; readonly spool: string }
  /** null: none of the inventory. */
  | { readonly type: "spoolLoaded"; readonly device: string; readonly spool: string | null }
  /** The bed is clear, and this is what became of the part. */
  | {
      readonly type: "bedJudged";
      readonly device: string;
      /** What it must be of; left out: whichever part is there. */
      readonly job?: string;
      readonly isGood: boolean;
      readonly reason?: Failure;
      readonly note?: string;
    };
