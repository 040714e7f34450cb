import { useId, useState } from "preact/hooks";
import type { Problem } from "../core/views.ts";
import { ProblemError } from "../live/api.ts";
import { logIn } from "../live/session.ts";
import { Button, ProblemNote } from "../ui/parts.tsx";

/** Trades a token for a cookie. The token is not kept: the field is emptied with the page. */
export function LoginPage() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const [isBusy, setBusy] = useState(false);
  const field = useId();
  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await logIn(token.trim());
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setProblem(error.problem);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <h1>Log in to Gantry</h1>
      <p class="faint">
        Paste your token. The first one is in the file <code>token</code> of the hub's data folder;
        an admin makes more with <code>npx gantry token</code>.
      </p>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div>
          <label for={field}>Token</label>
          <input
            id={field}
            type="password"
            autocomplete="current-password"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </div>
        <Button look="primary" type="submit" disabled={isBusy || token.trim() === ""}>
          Log in
        </Button>
      </form>
      {problem !== undefined && <ProblemNote problem={problem} />}
    </main>
  );
}
