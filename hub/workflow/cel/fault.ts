// What can be wrong with an expression. Programs match on the code; it never changes its meaning.

export type CelCode =
  /** It cannot be read. */
  | "cel_syntax"
  /** Longer, deeper or of more parts than is allowed. */
  | "cel_too_large"
  | "cel_unknown_name"
  | "cel_unknown_function"
  /** A value is not of the kind that the operation takes; nothing is turned into another kind by itself. */
  | "cel_type"
  | "cel_no_such_member"
  | "cel_out_of_bounds"
  | "cel_divide_by_zero"
  /** A number is too large, or not a number. */
  | "cel_overflow"
  /** It takes more steps than it may. */
  | "cel_too_costly";

export class CelFault extends Error {
  override readonly name = "CelFault";
  readonly code: CelCode;
  /** Offset in the text, if known. */
  readonly at: number | undefined;

  constructor(code: CelCode, message: string, at?: number) {
    super(message);
    this.code = code;
    this.at = at;
  }
}
