// Where the console is, as text after `#/`, so that every state has an address and the hub serves
// one page for all of them.
//
//   R1. parse(format(place)) is the place; what is not understood is the overview.

export const PAGES = [
  "overview",
  "ask",
  "confirmations",
  "approvals",
  "prints",
  "farm",
  "make",
  "runs",
  "agents",
  "documents",
  "goals",
  "queues",
  "jobs",
  "schedules",
  "webhooks",
  "conversations",
  "memory",
  "knowledge",
  "cache",
  "events",
  "machines",
  "cluster",
  "analytics",
  "costs",
  "flags",
  "traces",
  "audit",
] as const;
export type Page = (typeof PAGES)[number];

export interface Place {
  readonly page: Page;
  /** The one thing shown: a conversation, a print, a run, a queue. */
  readonly id?: string;
  /** How it is shown: filter, cursor, tab. */
  readonly query: Readonly<Record<string, string>>;
}

const isPage = (text: string): text is Page => PAGES.some((page) => page === text);

/** Reads `location.hash`. */
export function parsePlace(hash: string): Place {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const [page = "", id] = path.split("/", 2).map(decoded);
  const query = Object.fromEntries(new URLSearchParams(search));
  if (!isPage(page)) return { page: "overview", query: {} };
  return id === undefined || id === "" ? { page, query } : { page, id, query };
}

/** A link: `#/prints/prt_1?after=x`. Empty query values are left out. */
export function formatPlace(
  page: Page,
  id?: string,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") search.set(key, value);
  }
  const path = id === undefined ? page : `${page}/${encodeURIComponent(id)}`;
  return search.size === 0 ? `#/${path}` : `#/${path}?${search.toString()}`;
}

/** The token of `#token=gt_...`, which `npm start` prints; undefined in any other address. */
export function tokenIn(hash: string): string | undefined {
  return /^#token=(gt_[\w-]{1,190})$/.exec(hash)?.[1];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** The token of `#wall=gt_...`: a screen on the wall, without anybody logged in. */
export function wallTokenIn(hash: string): string | undefined {
  return /^#wall=(gt_[\w-]{1,190})$/.exec(hash)?.[1];
}
