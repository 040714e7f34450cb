import { count } from "../core/format.ts";
import type { HeldList } from "../live/held-list.ts";
import { Button } from "./parts.tsx";

/** What changed in a list that stands still, and the button that takes it in. Always as high. */
export function FreshLine<T>({ of, noun }: { readonly of: HeldList<T>; readonly noun: string }) {
  const gone = of.rows.filter(({ isGone }) => isGone).length;
  const parts = [
    ...(of.fresh === 0 ? [] : [count(of.fresh, `new ${noun}`)]),
    ...(gone === 0 ? [] : [`${gone} no longer here`]),
  ];
  return (
    <div class="fresh" role="status">
      {parts.length > 0 && (
        <Button look="quiet" onClick={of.renew}>
          {parts.join(", ")}: show the list anew
        </Button>
      )}
    </div>
  );
}
