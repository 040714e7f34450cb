import { formatPlace, type Page } from "../core/route.ts";

export interface PagerProps {
  readonly page: Page;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** The cursor of this page; undefined on the first. */
  readonly after: string | undefined;
  readonly next: string | undefined;
}

/** Links, so that each page has its address; the browser's own back goes back. */
export function Pager({ page, query = {}, after, next }: PagerProps) {
  if (after === undefined && next === undefined) return null;
  return (
    <nav class="row" aria-label="Pages">
      {after !== undefined && (
        <a class="button" href={formatPlace(page, undefined, query)}>
          Newest
        </a>
      )}
      {next !== undefined && (
        <a class="button" href={formatPlace(page, undefined, { ...query, after: next })}>
          Older
        </a>
      )}
    </nav>
  );
}

/** `path` with the cursor, if there is one. */
export const paged = (path: string, after: string | undefined): string =>
  after === undefined ? path : `${path}?after=${encodeURIComponent(after)}`;
