// What is shown when there is nothing to show: loading, failed, empty. Each says what to do next.

import type { ComponentChildren } from "preact";
import { ApiError } from "../api/http.ts";
import { shown } from "../base/text.ts";

export function LoadingBar({ on }: { on: boolean }) {
  return <div class={on ? "loading-bar" : "loading-bar idle"} role="progressbar" aria-label="Loading" aria-hidden={!on} />;
}

const kAdvice: Record<string, string> = {
  resource_exhausted: "Narrow the time range or add a condition, then ask again.",
  deadline_exceeded: "The query took longer than the server allows. Narrow the time range or add a condition.",
  unauthenticated: "Give a query token to go on.",
  permission_denied: "This token may not read. Ask whoever runs Weft for a query token.",
};

export function Failed({ error, retry, children }: { error: unknown; retry?: () => void; children?: ComponentChildren }) {
  const api = error instanceof ApiError ? error : null;
  return (
    <div class="state failed" role="alert">
      <strong>{api?.status === 404 ? "Not found" : "That did not work"}</strong>
      <p>{shown((error as Error)?.message ?? error)}</p>
      {api && kAdvice[api.body.code] && <p>{kAdvice[api.body.code]}</p>}
      {api?.body.hint && <p>{shown(api.body.hint)}</p>}
      {children}
      {retry && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state">
      <strong>{title}</strong>
      {children}
    </div>
  );
}
