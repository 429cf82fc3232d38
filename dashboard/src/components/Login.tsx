import { KeyRound } from "lucide-react";
import { useState } from "react";
import { api, ApiProblem } from "../lib/api";
import { live } from "../lib/live";

/** Asks for an API key. Where the API has sessions a cookie keeps it, else this page's memory. */
export function LoginForm({ expired }: { expired: boolean }) {
  const [key, setKey] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  async function submit(): Promise<void> {
    setBusy(true);
    setWrong("");
    try {
      await api.logIn(key.trim());
      setKey("");
      live.start();
    } catch (error) {
      setWrong(error instanceof ApiProblem && error.status !== 401 ? error.message : "This key is not known.");
    } finally {
      setBusy(false);
    }
  }
  return (
    <form
      className="login"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p>
        {expired
          ? "Your session has ended. Sign in again: the page and its filters stay as they are."
          : "Sign in with an API key of this deployment."}
      </p>
      <label htmlFor="key">API key</label>
      <input
        id="key"
        type="password"
        autoComplete="off"
        spellCheck={false}
        autoFocus
        data-first
        required
        value={key}
        aria-invalid={wrong !== ""}
        aria-describedby="key-help"
        onChange={(event) => setKey(event.target.value)}
      />
      <p id="key-help" className={wrong ? "field-error" : "muted"} role={wrong ? "alert" : undefined}>
        {wrong || (
          <>
            <code>shoal up</code> keeps it in <code>.shoal/api.key</code>; elsewhere it is <code>API_KEY</code>.
          </>
        )}
      </p>
      <button type="submit" className="button primary" disabled={busy || !key.trim()}>
        <KeyRound size={15} aria-hidden /> {busy ? "Signing in …" : "Sign in"}
      </button>
    </form>
  );
}
