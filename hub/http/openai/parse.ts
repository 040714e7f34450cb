// Reading bodies of other people's clients: what is wrong is refused with the parameter's path.

import type { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";

/** `value` as the schema gives it. Throws bad_request naming the first faulty parameter. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const param = issue === undefined ? "" : issue.path.map(String).join(".");
  throw refuse(param, issue?.message ?? "is not valid");
}

export const refuse = (param: string, why: string): GantryError =>
  new GantryError("bad_request", `${param || "The body"}: ${why}`, {
    details: { param, fields: [{ path: param, message: why }] },
  });

/** A member, or none: a key that is there counts, even with nothing in it. */
export const given = <K extends string, V>(
  key: K,
  value: V | null | undefined,
): { readonly [P in K]?: V } =>
  value === null || value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
