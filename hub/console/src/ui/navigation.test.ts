import { expect, it } from "vitest";
import { PAGES } from "../core/route.ts";
import { SECTIONS } from "./navigation.tsx";

it("every page is in one section of the navigation, once", () => {
  const listed = SECTIONS.flatMap(([, pages]) => pages);
  expect(listed.toSorted()).toEqual(PAGES.toSorted());
});
