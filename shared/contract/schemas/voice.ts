// Satellites that listen for people.

import { z } from "zod";
import { idSchema, type SomeRoutes } from "./common.ts";

export const VOICE_SCHEMAS = {
  voiceClaimed: {
    body: z.strictObject({
      satellite: idSchema,
      room: idSchema,
      /** Of the last second, against full scale: 0 is the loudest. */
      loudnessDb: z.number().min(-200).max(20),
    }),
    reply: z.object({ isOurs: z.boolean(), winner: z.string() }),
  },
} satisfies SomeRoutes;
