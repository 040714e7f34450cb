// Who is here. A token is traded for an HttpOnly cookie once and kept nowhere in the page.

import { tokenIn } from "../core/route.ts";
import type { Me } from "../core/views.ts";
import { call, post, ProblemError } from "./api.ts";
import { change, read } from "./store.ts";

/** Logs in with the token of `#token=...`, if there is one, else asks the hub who the cookie is. */
export async function openSession(): Promise<void> {
  const token = tokenIn(location.hash);
  if (token === undefined) {
    await resume();
    return;
  }
  // Out of the address bar and the history before anything else may read or store it.
  history.replaceState(null, "", `${location.pathname}#/overview`);
  try {
    await logIn(token);
  } catch {
    change({ session: { kind: "out" } });
  }
}

/** Throws ProblemError: the token is unknown, expired or revoked. */
export async function logIn(token: string): Promise<void> {
  const me = await post<Me>("/api/session", { token });
  change({ session: { kind: "in", me }, cache: new Map(), tail: [], gaps: 0, notices: [] });
}

export async function logOut(): Promise<void> {
  await call("/api/session", { method: "DELETE" }).catch(() => undefined);
  change({ session: { kind: "out" }, cache: new Map(), tail: [], notices: [] });
}

/** Asks again who is here: at the start, and after the hub could not be reached. */
export async function resume(): Promise<void> {
  try {
    const me = await call<Me>("/api/me");
    change({ session: { kind: "in", me } });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (read().session.kind === "out") return; // A1: it was a 401
    change({ session: { kind: "unreachable", problem: error.problem } });
  }
}
