/** Numbers, durations and times as people read them. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 1,234,567 in full. */
export function whole(value: number): string {
  return WHOLE.format(value);
}

/** 1.2 M, 34 k, 567. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim(value / 1e9)} G`;
  if (size >= 1e6) return `${trim(value / 1e6)} M`;
  if (size >= 1e4) return `${trim(value / 1e3)} k`;
  return size >= 100 || Number.isInteger(value) ? whole(value) : trim(value);
}

function trim(value: number): string {
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 1).replace(/\.0$/, "");
}

/** A rate a second: 0, 0.03, 4.2, 1.3 k. */
export function rate(value: number): string {
  if (value > 0 && value < 0.1) return value.toFixed(2);
  return short(Math.round(value * 10) / 10);
}

/** 850 ms, 4.2 s, 3 m 20 s, 2 h 5 m, 3 d 4 h. Negative ones (clocks differ) are 0. */
export function duration(seconds: number): string {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 0.9995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  if (total < 3600) return pair(total, 60, "m", 1, "s");
  if (total < 86_400) return pair(total, 3600, "h", 60, "m");
  return pair(total, 86_400, "d", 3600, "h");
}

function pair(total: number, large: number, name: string, small: number, smallName: string): string {
  const rest = Math.floor((total % large) / small);
  return `${Math.floor(total / large)} ${name}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** 12.3 MB. */
export function bytes(value: number): string {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const) {
    if (value >= size) return `${trim(value / size)} ${unit}`;
  }
  return `${value} B`;
}

export function percent(ratio: number): string {
  return `${trim(ratio * 100)} %`;
}

/** 14:03:11.250, with the day when it is another one. */
export function clock(iso: string, zone: "local" | "UTC", now = Date.now()): string {
  const at = new Date(iso);
  const timeZone = zone === "UTC" ? "UTC" : undefined;
  const day = new Intl.DateTimeFormat("en-CA", { timeZone });
  const time = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  }).format(at);
  return day.format(at) === day.format(now) ? time : `${day.format(at)} ${time.slice(0, 8)}`;
}

/** Both ends of an id: enough to tell them apart, since the first half is the time. */
export function shortId(id: string): string {
  return id.length > 16 ? `${id.slice(0, 4)}…${id.slice(-8)}` : id;
}
