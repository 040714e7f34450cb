// Light or dark: as the system says, until the person says otherwise on this browser.

import { useState } from "preact/hooks";
import { Button } from "./parts.tsx";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const KEY = "gantry-theme";

function stored(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === text) ?? "system";
  } catch {
    return "system"; // storage is off
  }
}

export function applyTheme(theme: Theme = stored()): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function ThemeButton() {
  const [theme, setTheme] = useState(stored);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const choose = (): void => {
    applyTheme(next);
    setTheme(next);
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // It holds for this page then.
    }
  };
  return (
    <Button look="quiet" onClick={choose} aria-label={`Theme: ${theme}. Change to ${next}`}>
      Theme: {theme}
    </Button>
  );
}
