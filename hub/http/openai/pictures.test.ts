import { expect, it } from "vitest";
import { readChat } from "./chat-request.ts";

const DATA = "data:image/png;base64,iVBORw0KGgo=";
const text = (words: string) => ({ type: "text", text: words });
const image = (url: string) => ({ type: "image_url", image_url: { url } });
const faultOf = (messages: readonly unknown[]): unknown => {
  try {
    readChat({ messages });
  } catch (error) {
    return error;
  }
  return undefined;
};

it("pictures of the last message go with it, beside its text", () => {
  const { request } = readChat({
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: [text("what "), image(DATA), text("is this?")] },
    ],
  });
  expect(request.messages.at(-1)).toEqual({ role: "user", content: "what is this?" });
  expect(request.pictures).toEqual([{ mediaType: "image/png", base64: "iVBORw0KGgo=" }]);
  expect(
    readChat({ messages: [{ role: "user", content: "hi" }] }).request.pictures,
  ).toBeUndefined();
});

it.each([
  [
    "an address that would have to be fetched",
    [image("https://example.org/a.png")],
    "must be a data:",
  ],
  ["another type", [image("data:image/svg+xml;base64,AAAA")], "must be a data:"],
  ["no base64", [image("data:image/png;base64,***")], "must be a data:"],
  ["no address", [{ type: "image_url" }], "are not read, only text"],
])("refuses %s, by name", (_, content, why) => {
  expect(faultOf([{ role: "user", content }])).toMatchObject({
    code: "bad_request",
    message: expect.stringContaining(why),
  });
});

it("refuses pictures of earlier messages: nothing is left out in silence", () => {
  const earlier = { role: "user", content: [image(DATA)] };
  const fault = faultOf([
    earlier,
    { role: "assistant", content: "a cat" },
    { role: "user", content: "sure?" },
  ]);
  expect(fault).toMatchObject({
    code: "bad_request",
    message: expect.stringContaining("last message of a user"),
  });
});
