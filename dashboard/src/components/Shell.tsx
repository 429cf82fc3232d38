import { Command, Contrast, LogOut, Moon, Sun, SunMoon } from "lucide-react";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { api } from "../lib/api";
import { useKeys, type Bindings } from "../lib/keys";
import { live, useLive } from "../lib/live";
import { short } from "../lib/format";
import { nextTheme, setPrefs, usePrefs } from "../lib/prefs";
import { ConnectionPill } from "./ConnectionPill";
import { Help } from "./Help";
import { PLACES } from "./nav";
import { Palette } from "./Palette";
import { Toasts } from "./Toasts";

const THEME_ICONS = { system: SunMoon, light: Sun, dark: Moon, contrast: Contrast } as const;

/** The rail, the bar on top, the keys that work everywhere, and the page in between. */
export function Shell({ children }: { children: ReactNode }) {
  const [path, go] = useLocation();
  const [open, setOpen] = useState<"" | "palette" | "help">("");
  const { snapshot, skewMs } = useLive();
  const prefs = usePrefs();
  const here = PLACES.find((place) => path.startsWith(place.path));
  const bindings = useMemo<Bindings>(
    () => ({
      ...Object.fromEntries(PLACES.map((place) => [`g ${place.key}`, () => go(place.path)])),
      "mod+k": () => setOpen("palette"),
      "?": () => setOpen("help"),
      p: () => live.toggle(),
      t: nextTheme,
      "/": () => {
        const bar = document.querySelector<HTMLInputElement>("[data-query]");
        if (bar) bar.focus();
        else setOpen("palette");
      },
    }),
    [go],
  );
  useKeys(bindings);
  useEffect(() => {
    document.title = here ? `${here.name} · Shoal` : "Shoal";
  }, [here]);
  const ThemeIcon = THEME_ICONS[prefs.theme];
  const counts: Record<string, number> = snapshot
    ? { "/dead": snapshot.states.DEAD, "/workers": snapshot.workers.length }
    : {};
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the page
      </button>
      <nav className="rail" aria-label="Pages">
        <Link href="/overview" className="brand" aria-label="Shoal, to the overview">
          <Mark />
          <span>Shoal</span>
        </Link>
        <ul>
          {PLACES.map(({ path: to, name, icon: Icon }) => (
            <li key={to}>
              <Link href={to} aria-current={here?.path === to ? "page" : undefined}>
                <Icon size={17} aria-hidden />
                <span>{name}</span>
                {counts[to] ? (
                  <b className={to === "/dead" ? "count count-bad" : "count"}>{short(counts[to])}</b>
                ) : null}
              </Link>
            </li>
          ))}
        </ul>
        {snapshot && (
          <p className="rail-foot">
            <code>{snapshot.namespace}</code>
            <br />
            {snapshot.version}
          </p>
        )}
      </nav>
      <div className="frame">
        <header className="bar">
          <ConnectionPill />
          {Math.abs(skewMs) > 5000 && (
            <span className="pill pill-warn">This clock differs by {Math.round(Math.abs(skewMs) / 1000)} s</span>
          )}
          <span className="grow" />
          <button type="button" className="button quiet" onClick={() => setOpen("palette")}>
            <Command size={14} aria-hidden /> Go to … <kbd>Ctrl K</kbd>
          </button>
          <button
            type="button"
            className="button quiet"
            title="Time zone of all times"
            onClick={() => setPrefs({ zone: prefs.zone === "UTC" ? "local" : "UTC" })}
          >
            {prefs.zone === "UTC" ? "UTC" : "Local time"}
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={`Theme: ${prefs.theme}; change`}
            title={`Theme: ${prefs.theme} (t)`}
            onClick={nextTheme}
          >
            <ThemeIcon size={16} aria-hidden />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label="Sign out"
            title={`Sign out${snapshot ? ` (${snapshot.principal.role})` : ""}`}
            onClick={() => {
              live.forget();
              void api.logOut().catch(() => undefined);
            }}
          >
            <LogOut size={16} aria-hidden />
          </button>
        </header>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      {open === "palette" && <Palette onClose={() => setOpen("")} />}
      {open === "help" && <Help onClose={() => setOpen("")} />}
      <Toasts />
    </div>
  );
}

function Mark() {
  return (
    <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="7" className="mark" />
      <path d="M5 11q5-5 10 0l3-2.6v5.2L15 11q-5 5-10 0z" fill="#fff" />
      <path d="M13 20q5-5 10 0l3-2.6v5.2L23 20q-5 5-10 0z" fill="#fff" opacity=".75" />
    </svg>
  );
}
