// Writes an ONNX model: the few protobuf messages of onnx.proto that a small graph needs. Pure.
// Field numbers: github.com/onnx/onnx/blob/main/onnx/onnx.proto (IR 8, opset 17).

export type TensorType = "float32" | "int8" | "int64";

export interface Initializer {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** Little endian, row after row. */
  readonly data: Uint8Array;
}

export interface GraphNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly integers?: Readonly<Record<string, number>>;
}

export interface PortInfo {
  readonly name: string;
  readonly type: TensorType;
  /** A text names an axis whose length is free. */
  readonly shape: readonly (number | string)[];
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  readonly nodes: readonly GraphNode[];
  readonly initializers: readonly Initializer[];
}

const IR_VERSION = 8;
const OPSET_VERSION = 17;
const TENSOR_TYPES = { float32: 1, int8: 3, int64: 7 } as const satisfies Record<
  TensorType,
  number
>;
const ATTRIBUTE_INTEGER = 2;

/** The bytes of an .onnx file. */
export function writeOnnx(graph: Graph): Uint8Array {
  return message(
    integer(1, IR_VERSION),
    text(2, "gantry"),
    field(7, graphBytes(graph)),
    field(8, message(text(1, ""), integer(2, OPSET_VERSION))),
  );
}

function graphBytes(graph: Graph): Uint8Array {
  return message(
    ...graph.nodes.map((node) => field(1, nodeBytes(node))),
    text(2, graph.name),
    ...graph.initializers.map((tensor) => field(5, tensorBytes(tensor))),
    ...graph.inputs.map((port) => field(11, portBytes(port))),
    ...graph.outputs.map((port) => field(12, portBytes(port))),
  );
}

const nodeBytes = (node: GraphNode): Uint8Array =>
  message(
    ...node.inputs.map((name) => text(1, name)),
    ...node.outputs.map((name) => text(2, name)),
    text(4, node.operator),
    ...Object.entries(node.integers ?? {}).map(([name, value]) =>
      field(5, message(text(1, name), integer(3, value), integer(20, ATTRIBUTE_INTEGER))),
    ),
  );

const tensorBytes = (tensor: Initializer): Uint8Array =>
  message(
    ...tensor.shape.map((length) => integer(1, length)),
    integer(2, TENSOR_TYPES[tensor.type]),
    text(8, tensor.name),
    field(9, tensor.data),
  );

function portBytes(port: PortInfo): Uint8Array {
  const axes = port.shape.map((axis) =>
    field(1, typeof axis === "number" ? integer(1, axis) : text(2, axis)),
  );
  const tensor = message(integer(1, TENSOR_TYPES[port.type]), field(2, message(...axes)));
  return message(text(1, port.name), field(2, field(1, tensor)));
}

function message(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A field with bytes: wire type 2. */
const field = (number: number, bytes: Uint8Array): Uint8Array =>
  message(varint(number * 8 + 2), varint(bytes.length), bytes);

const text = (number: number, value: string): Uint8Array =>
  field(number, new TextEncoder().encode(value));

/** A field with a whole number, 0 or more: wire type 0. */
const integer = (number: number, value: number): Uint8Array =>
  message(varint(number * 8), varint(value));

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
}
