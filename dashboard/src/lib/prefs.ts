import { useSyncExternalStore } from "react";

/** What a person chose; kept in this browser. Never a secret. */
export interface Prefs {
  theme: "system" | "light" | "dark" | "contrast";
  zone: "local" | "UTC";
  density: "comfortable" | "compact";
}

const NAME = "shoal.prefs";
const STANDARD: Prefs = { theme: "system", zone: "local", density: "compact" };

function read(): Prefs {
  try {
    return { ...STANDARD, ...(JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Prefs>) };
  } catch {
    return STANDARD;
  }
}

let prefs = read();
const listeners = new Set<() => void>();
const darkness = matchMedia("(prefers-color-scheme: dark)");

function apply(): void {
  const theme = prefs.theme === "system" ? (darkness.matches ? "dark" : "light") : prefs.theme;
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.density = prefs.density;
  for (const listener of listeners) listener();
}

darkness.addEventListener("change", apply);
apply();

export function setPrefs(change: Partial<Prefs>): void {
  prefs = { ...prefs, ...change };
  try {
    localStorage.setItem(NAME, JSON.stringify(prefs));
  } catch {
    // A browser that keeps nothing forgets it with the page.
  }
  apply();
}

export function usePrefs(): Prefs {
  return useSyncExternalStore(
    (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    () => prefs,
  );
}

const THEMES: Prefs["theme"][] = ["system", "light", "dark", "contrast"];

export function nextTheme(): void {
  setPrefs({ theme: THEMES[(THEMES.indexOf(prefs.theme) + 1) % THEMES.length] ?? "system" });
}
