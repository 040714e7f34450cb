/** So much of a value is drawn; the rest can be had from the API. Characters. */
const SHOWN_MAX = 20_000;

/** A value as it was sent, in a box that scrolls by itself and can be reached by keyboard. */
export function Json({ value, label }: { readonly value: unknown; readonly label: string }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
  const isLong = text.length > SHOWN_MAX;
  return (
    <pre class="json" tabIndex={0} role="region" aria-label={label}>
      {isLong ? `${text.slice(0, SHOWN_MAX)}\n… ${text.length - SHOWN_MAX} more characters` : text}
    </pre>
  );
}
