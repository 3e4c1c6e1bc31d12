// Requests to Weft's own server: JSON in and out, the query token, and errors that say what to do.

import { signal } from "@preact/signals";
import type { ErrorBody } from "./types.ts";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
  ) {
    super(body.message);
    this.name = "ApiError";
  }
}

const kTokenKey = "weft.token";

function storedToken(): string {
  try {
    return sessionStorage.getItem(kTokenKey) ?? "";
  } catch {
    return "";
  }
}

const query_token = signal(storedToken());
// Set when the server asked for a token; the shell then shows the dialog.
export const tokenWanted = signal(false);
// Set when it was asked for although one was given, or when what was given can be none.
export const tokenRefused = signal(false);
// Counts up when a token was given, so that pages ask again.
export const tokenVersion = signal(0);

// A header takes no other characters, and no token has them: something else was pasted along.
const kTokenChars = /^[\x21-\x7e]+$/;

export function giveToken(value: string): void {
  if (!kTokenChars.test(value.trim())) {
    tokenRefused.value = true;
    return;
  }
  query_token.value = value.trim();
  try {
    sessionStorage.setItem(kTokenKey, query_token.value);
  } catch {
    // Then it lasts as long as the page.
  }
  tokenWanted.value = false;
  tokenRefused.value = false;
  tokenVersion.value++;
}

export function requestHeaders(extra: Record<string, string> = {}): Record<string, string> {
  return query_token.peek() ? { ...extra, Authorization: `Bearer ${query_token.peek()}` } : extra;
}

export type QueryParams = Record<string, string | number | boolean | null | undefined>;

export function apiUrl(path: string, params: QueryParams = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(key, String(value));
  }
  const text = query.toString();
  return `/api/v1/${path}${text ? `?${text}` : ""}`;
}

async function errorOf(response: Response, token: string): Promise<ApiError> {
  let body: ErrorBody = { code: "internal", message: `The server answered ${response.status} ${response.statusText}`.trim() };
  try {
    const parsed = (await response.json()) as { error?: ErrorBody };
    if (parsed.error?.message) body = parsed.error;
  } catch {
    // Not from Weft itself (a proxy between, say); the status has to do.
  }
  if (response.status === 401 && token === query_token.peek()) {
    tokenRefused.value = token !== "";
    tokenWanted.value = true;
  }
  return new ApiError(response.status, body);
}

// Throws ApiError for every failure but the caller's own abort.
export async function apiFetch(url: string, init: RequestInit = {}): Promise<Response> {
  const token = query_token.peek(); // another may be given meanwhile
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers: requestHeaders(init.headers as Record<string, string>) });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(0, {
      code: "unavailable",
      message: "Weft cannot be reached. Is `weft serve` still running, and the network up?",
    });
  }
  if (!response.ok) throw await errorOf(response, token);
  return response;
}

export async function getJson<T>(path: string, params: QueryParams = {}, abort?: AbortSignal): Promise<T> {
  const response = await apiFetch(apiUrl(path, params), { signal: abort });
  return (await response.json()) as T;
}

export async function postJson<T>(path: string, body: unknown): Promise<T> {
  const response = await apiFetch(apiUrl(path), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as T;
}

export function isAbort(error: unknown): boolean {
  return (error as Error)?.name === "AbortError";
}
