// The parameters of a part as a form: kinds and ranges come from the hub.

import type { PartParameter } from "@gantry/shared/contract/schemas/cad.ts";
import { useId, useState } from "preact/hooks";
import type { PartFacts } from "../core/views.ts";
import type { Ordering } from "../pages/make.tsx";
import { Button, Card } from "./parts.tsx";

type Values = Readonly<Record<string, number | boolean | string>>;

export function PartForm({
  part,
  values: given,
  order,
}: {
  readonly part: PartFacts;
  readonly values: Values;
  readonly order: Ordering;
}) {
  const [values, setValues] = useState<Values>(given);
  const isSame = part.parameters.every(({ name }) => values[name] === given[name]);
  return (
    <Card title={`Change: ${part.title}`}>
      <form
        class="part-form"
        onSubmit={(event) => {
          event.preventDefault();
          order.send("/api/cad/generate", { part: part.id, parameters: values });
        }}
      >
        {part.parameters.map((parameter) => (
          <Field
            key={parameter.name}
            parameter={parameter}
            value={values[parameter.name] ?? parameter.default}
            onChange={(value) => setValues({ ...values, [parameter.name]: value })}
          />
        ))}
        <div class="row end">
          <Button look="primary" type="submit" disabled={order.isBusy || isSame}>
            {order.isBusy ? "Working" : "Make it again"}
          </Button>
        </div>
      </form>
    </Card>
  );
}

function Field({
  parameter,
  value,
  onChange,
}: {
  readonly parameter: PartParameter;
  readonly value: number | boolean | string;
  readonly onChange: (value: number | boolean | string) => void;
}) {
  const id = useId();
  const { title, kind, min, max, unit, options, charsMax } = parameter;
  if (kind === "flag") {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        {title}
      </label>
    );
  }
  return (
    <div>
      <label for={id}>
        {title}
        {min !== undefined && (
          <span class="faint">
            {" "}
            {min} to {max} {unit}
          </span>
        )}
      </label>
      {kind === "choice" ? (
        <select
          id={id}
          value={String(value)}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {(options ?? []).map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      ) : kind === "text" ? (
        <input
          id={id}
          value={String(value)}
          maxLength={charsMax}
          required
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      ) : (
        <input
          id={id}
          type="number"
          value={Number(value)}
          min={min}
          max={max}
          step={kind === "count" ? 1 : "any"}
          required
          onInput={(event) => {
            const number = event.currentTarget.valueAsNumber;
            if (!Number.isNaN(number)) onChange(number);
          }}
        />
      )}
    </div>
  );
}
