// What may stand in a path, by the name of the parameter.

import type { z } from "zod";
import { idSchema, nameSchema } from "./common.ts";
import { queueNameSchema } from "./jobs.ts";
import { budgetIdSchema } from "./money.ts";
import { flagKeySchema } from "./registry.ts";
import { tagSchema, workflowNameSchema } from "./workflows.ts";

const BY_NAME: Readonly<Record<string, z.ZodType>> = {
  key: flagKeySchema,
  name: workflowNameSchema,
  budget: budgetIdSchema,
  tag: tagSchema,
  gcode: nameSchema,
  queue: queueNameSchema,
  tool: queueNameSchema,
  server: queueNameSchema,
};

export const paramSchema = (name: string): z.ZodType =>
  Object.hasOwn(BY_NAME, name) ? (BY_NAME[name] ?? idSchema) : idSchema;
