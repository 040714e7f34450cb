// A field for words, whose search has an address of its own.

import { useId, useState } from "preact/hooks";
import { formatPlace, type Page } from "../core/route.ts";
import { goTo } from "../live/place.ts";
import { Button } from "./parts.tsx";

export interface SearchBoxProps {
  readonly page: Page;
  readonly label: string;
  readonly q: string | undefined;
}

export function SearchBox({ page, label, q }: SearchBoxProps) {
  const [words, setWords] = useState(q ?? "");
  const field = useId();
  return (
    <form
      class="row"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        goTo(formatPlace(page, undefined, { q: words.trim() }));
      }}
    >
      <div style="flex: 1 1 20rem; max-width: 40rem">
        <label for={field}>{label}</label>
        <input
          id={field}
          type="search"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
      </div>
      <Button type="submit">Search</Button>
      {q !== undefined && q !== "" && <a href={formatPlace(page)}>show all</a>}
    </form>
  );
}
