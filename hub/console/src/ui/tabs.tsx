// Parts of one page to choose from, each with an address of its own.

import { formatPlace, type Page } from "../core/route.ts";

export interface TabsProps {
  /** What they are for, to who hears the page. */
  readonly label: string;
  readonly page: Page;
  readonly id?: string | undefined;
  /** Value of `tab` in the address and its title; undefined: the page as it opens. */
  readonly tabs: readonly (readonly [tab: string | undefined, title: string])[];
  readonly current: string | undefined;
}

export function Tabs({ label, page, id, tabs, current }: TabsProps) {
  return (
    <nav class="row" aria-label={label}>
      {tabs.map(([tab, title]) => (
        <a
          key={title}
          class="button"
          href={formatPlace(page, id, tab === undefined ? undefined : { tab })}
          aria-current={tab === current ? "true" : undefined}
        >
          {title}
        </a>
      ))}
    </nav>
  );
}
