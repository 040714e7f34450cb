// A print file as a multipart body that is sent in pieces.

export interface PrintFile {
  readonly printer: string;
  /** Shown to people. */
  readonly name: string;
  /** As a function it gives the same bytes at each call, so that the upload can be repeated. */
  readonly bytes: AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);
  /** Of a print for any printer: what it needs, as fields of the form. */
  readonly wish?: Readonly<Record<string, string>>;
  /** Called after each piece with the bytes sent so far, without the envelope. */
  readonly onProgress?: (sentBytes: number) => void;
}

/** `boundary`: letters, digits and underscores that are not in the file; an id of 26 random characters. */
export function uploadBody(
  file: PrintFile,
  boundary: string,
): { readonly contentType: string; readonly body: ReadableStream<Uint8Array> } {
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: ReadableStream.from(parts(file, boundary)),
  };
}

async function* parts(file: PrintFile, boundary: string): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  // The printer and the name come first: a hub that streams the file knows by then where it goes.
  const field = (name: string, value: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const fileHead =
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="print.gcode"\r\n` +
    "content-type: text/x.gcode\r\n\r\n";
  const wish = Object.entries(file.wish ?? {}).map(([name, value]) => field(name, value));
  const head = [field("printer", file.printer), field("name", file.name), ...wish, fileHead];
  yield encoder.encode(head.join(""));
  let sentBytes = 0;
  const bytes = typeof file.bytes === "function" ? file.bytes() : file.bytes;
  for await (const piece of bytes) {
    yield piece;
    sentBytes += piece.length;
    file.onProgress?.(sentBytes);
  }
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}
