import { render } from "preact";
import { App } from "./app.tsx";
import { openSession } from "./live/session.ts";
import { applyTheme } from "./ui/theme.tsx";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");
applyTheme();
void openSession();
render(<App />, root);
