// Light, dark, or as the system says; kept in this browser alone.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "potluck.theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    // A browser may keep nothing for anybody.
    return "system";
  }
}

export const theme = signal<Theme>(stored());

export function applyTheme(): void {
  effect(() => {
    const value = theme.value;
    if (value === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = value;
    try {
      localStorage.setItem(KEY, value);
    } catch {
      // It holds until the page is left.
    }
  });
}
