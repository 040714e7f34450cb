// A JSON Schema as the text of a TypeScript type: what a reader of docs/wire.md wants to see.

export type JsonSchema = Readonly<Record<string, unknown>>;

const LINE_CHARS_MAX = 96;

/** Falls back to `unknown` for what it has no words for. `indent`: spaces before each line. */
export function typeText(schema: unknown, indent = 0): string {
  if (!isRecord(schema)) return "unknown";
  if (Array.isArray(schema["enum"]))
    return unionOf(schema["enum"].map((one) => JSON.stringify(one)));
  if ("const" in schema) return JSON.stringify(schema["const"]);
  for (const key of ["anyOf", "oneOf"]) {
    const options = schema[key];
    if (Array.isArray(options)) return unionOf(options.map((one) => typeText(one, indent)));
  }
  switch (schema["type"]) {
    case "object":
      return objectText(schema, indent);
    case "array":
      return arrayText(schema["items"], indent);
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return schema["type"];
    default:
      return "unknown";
  }
}

const unionOf = (options: readonly string[]): string => [...new Set(options)].join(" | ");

function arrayText(items: unknown, indent: number): string {
  const item = typeText(items, indent);
  return item.includes(" | ") && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;
}

function objectText(schema: JsonSchema, indent: number): string {
  const { properties, additionalProperties } = schema;
  if (!isRecord(properties) || Object.keys(properties).length === 0) {
    const values = isRecord(additionalProperties) ? typeText(additionalProperties, indent) : "";
    return values === "" ? "{}" : `Record<string, ${values}>`;
  }
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const members = Object.entries(properties).map(([name, member]) => {
    const mark = required.includes(name) ? "" : "?";
    return `${name}${mark}: ${typeText(member, indent + 2)}`;
  });
  const short = `{ ${members.join("; ")} }`;
  if (short.length + indent <= LINE_CHARS_MAX && !short.includes("\n")) return short;
  const pad = " ".repeat(indent);
  return `{\n${members.map((member) => `${pad}  ${member};`).join("\n")}\n${pad}}`;
}

const isRecord = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
