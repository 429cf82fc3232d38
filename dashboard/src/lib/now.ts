import { useEffect, useState } from "react";
import { useLive } from "./live";

/** The API's time in ms, anew every so often; it stands still while paused. */
export function useNow(everyMs = 1000): number {
  const { link, skewMs } = useLive();
  const [now, setNow] = useState(Date.now);
  const isPaused = link.kind === "paused";
  useEffect(() => {
    if (isPaused) return;
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [isPaused, everyMs]);
  return now + skewMs;
}
