// Says whether two JSON schemas can accept one value in common; needed for oneOf. Pure, and careful:
// where it does not know, they may overlap.

type Schema = Readonly<Record<string, unknown>>;

/** True only if no value fits both. */
export function areDisjoint(left: unknown, right: unknown): boolean {
  if (!isObject(left) || !isObject(right)) return false;
  const [leftValues, rightValues] = [valuesOf(left), valuesOf(right)];
  if (leftValues !== undefined && rightValues !== undefined) {
    const texts = new Set(leftValues.map((value) => JSON.stringify(value)));
    return rightValues.every((value) => !texts.has(JSON.stringify(value)));
  }
  const [leftTypes, rightTypes] = [typesOf(left), typesOf(right)];
  if (leftTypes === undefined || rightTypes === undefined) return false;
  if (leftTypes.every((type) => !rightTypes.includes(type))) return true;
  const areObjects = [leftTypes, rightTypes].every((types) => types.join() === "object");
  return areObjects && differInAProperty(left, right);
}

/** Two objects differ for sure if both must have a property whose values cannot be the same. */
function differInAProperty(left: Schema, right: Schema): boolean {
  const shared = requiredOf(left).filter((name) => requiredOf(right).includes(name));
  return shared.some((name) => areDisjoint(propertyOf(left, name), propertyOf(right, name)));
}

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if (schema["const"] !== undefined) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

function typesOf(schema: Schema): readonly string[] | undefined {
  const values = valuesOf(schema);
  const names = values === undefined ? [schema["type"]].flat() : values.map(typeOf);
  if (names.some((name) => typeof name !== "string")) return undefined;
  return names.map((name) => (name === "integer" ? "number" : String(name)));
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

const requiredOf = (schema: Schema): readonly unknown[] =>
  Array.isArray(schema["required"]) ? schema["required"] : [];

function propertyOf(schema: Schema, name: unknown): unknown {
  const properties = schema["properties"];
  return isObject(properties) && typeof name === "string" ? properties[name] : undefined;
}

const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
