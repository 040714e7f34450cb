import { render } from "preact";
import { App } from "./app.tsx";
import { tokenIn, wallTokenIn } from "./core/route.ts";
import { openSession } from "./live/session.ts";
import { WallScreen } from "./pages/wall-screen.tsx";
import { applyTheme } from "./ui/theme.tsx";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");
applyTheme();
// A screen on the wall logs nobody in: its token stays in the address, so that it comes back by itself
// after a power cut, and goes with each reading alone.
const wallToken = wallTokenIn(location.hash);
if (wallToken === undefined) void openSession();
// A login link opened in a tab that is on the console already changes the fragment only.
addEventListener("hashchange", () => {
  if (tokenIn(location.hash) !== undefined) void openSession();
  else if (wallTokenIn(location.hash) !== wallToken) location.reload();
});
render(wallToken === undefined ? <App /> : <WallScreen token={wallToken} />, root);
