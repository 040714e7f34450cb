// The owner's token: made, or taken from the environment, in the first reign of a cluster, and written
// down once.

import { chmod, readFile } from "node:fs/promises";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { registerSecret } from "@gantry/shared/adapters/pino.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { makeSecret } from "../desk/records.ts";
import { act, byHub, type Hub, newId } from "../hub.ts";

/** `given`: GANTRY_TOKEN. `path`: where it is written, for its owner alone. */
export async function giveOwnerToken(
  hub: Hub,
  given: string | undefined,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  if (hub.rows.hot("token").size > 0) return;
  const earlier = await readFile(path, "utf8").catch(() => ""); // a start that was cut off
  const secret = given ?? (earlier.trim() === "" ? makeSecret(hub.random) : earlier.trim());
  registerSecret(secret);
  await writeFileDurably(path, `${secret}\n`, 0o600);
  await chmod(path, 0o600);
  const token = newId(hub, "tok");
  const secretSha256 = sha256(secret);
  const body = { type: "tokenMade", token, person: "owner", role: "admin", secretSha256 } as const;
  await act(hub, body, byHub(hub), signal);
}
