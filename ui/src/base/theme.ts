// Light or dark: the system's choice until the reader makes one of their own.

import { computed, signal } from "@preact/signals";

export type ThemeChoice = "system" | "light" | "dark";

const kStorageKey = "weft.theme";
const media = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : null;

function stored(): ThemeChoice {
  try {
    const value = localStorage.getItem(kStorageKey);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // storage is refused in some private windows
  }
}

const system_dark = signal(media?.matches ?? false);
media?.addEventListener("change", (event) => (system_dark.value = event.matches));

export const themeChoice = signal<ThemeChoice>(stored());
export const isDark = computed(() =>
  themeChoice.value === "system" ? system_dark.value : themeChoice.value === "dark",
);

export function chooseTheme(choice: ThemeChoice): void {
  themeChoice.value = choice;
  try {
    if (choice === "system") localStorage.removeItem(kStorageKey);
    else localStorage.setItem(kStorageKey, choice);
  } catch {
    // The choice then lasts as long as the page.
  }
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = isDark.value ? "dark" : "light";
}

// The value of a colour token, for canvas.
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
