import { render } from "preact";
import { App } from "./app.tsx";
import { tokenIn } from "./core/route.ts";
import { openSession } from "./live/session.ts";
import { applyTheme } from "./ui/theme.tsx";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");
applyTheme();
void openSession();
// A login link opened in a tab that is on the console already changes the fragment only.
addEventListener("hashchange", () => {
  if (tokenIn(location.hash) !== undefined) void openSession();
});
render(<App />, root);
