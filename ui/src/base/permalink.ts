// The codec between the page's state and its address. Every state of every view is in the URL, with
// absolute times and a schema version, so that a link shows another reader the same thing later.

export const kSchemaVersion = 1;

export type PageName = "search" | "trace" | "map" | "errors" | "services" | "compare" | "link" | "notfound";

// Milliseconds since the epoch, half open.
export interface TimeRange {
  startMs: number;
  endMs: number;
}

export interface Address {
  page: PageName;
  // The trace of a trace page, the id of a short link.
  id: string;
  range: TimeRange | null;
  // What else the page keeps; the keys are the page's own. Never holds v, start or end.
  params: Record<string, string>;
  // Links of a later schema are shown as well as can be, with a notice.
  fromNewerVersion: boolean;
}

const kPages: Record<string, PageName> = {
  "": "search",
  search: "search",
  trace: "trace",
  map: "map",
  errors: "errors",
  services: "services",
  compare: "compare",
  s: "link",
};

const kReserved = new Set(["v", "start", "end"]);
const kMaxParamChars = 16_384;

// The end of what the server's 64 bits of nanoseconds can say.
export const kMaxTimeMs = 18_446_744_073_709;

// RFC 3339, or digits: seconds, milliseconds, microseconds or nanoseconds by their size.
export function parseTime(text: string | null): number | null {
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? digitsToMs(text) : Date.parse(text);
  return ms >= 0 && ms <= kMaxTimeMs ? ms : null;
}

function digitsToMs(text: string): number {
  const value = Number(text);
  if (text.length <= 11) return value * 1000;
  if (text.length <= 14) return value;
  return text.length <= 17 ? value / 1e3 : value / 1e6;
}

export function decodeAddress(href: string): Address {
  const url = new URL(href, "http://weft.invalid");
  const [first = "", second = ""] = url.pathname.split("/").filter(Boolean);
  const startMs = parseTime(url.searchParams.get("start"));
  const endMs = parseTime(url.searchParams.get("end"));
  const params: Record<string, string> = {};
  for (const [key, value] of url.searchParams) {
    if (!kReserved.has(key) && !(key in params)) params[key] = value.slice(0, kMaxParamChars);
  }
  let id = second;
  try {
    id = decodeURIComponent(second);
  } catch {
    // A broken escape stays as it was typed.
  }
  return {
    page: Object.hasOwn(kPages, first) ? kPages[first] : "notfound",
    id,
    range: startMs !== null && endMs !== null && endMs > startMs ? { startMs, endMs } : null,
    params,
    fromNewerVersion: Number(url.searchParams.get("v") ?? kSchemaVersion) > kSchemaVersion,
  };
}

export function encodeAddress(address: {
  page: PageName;
  id?: string;
  range?: TimeRange | null;
  params?: Record<string, string | number | boolean | null | undefined>;
}): string {
  const path = address.page === "link" ? "s" : address.page;
  const query = new URLSearchParams();
  query.set("v", String(kSchemaVersion));
  if (address.range) {
    query.set("start", new Date(address.range.startMs).toISOString());
    query.set("end", new Date(address.range.endMs).toISOString());
  }
  for (const key of Object.keys(address.params ?? {}).sort()) {
    const value = address.params![key];
    if (value === null || value === undefined || value === "" || value === false) continue;
    if (!kReserved.has(key)) query.set(key, value === true ? "1" : String(value));
  }
  const id = address.id ? `/${encodeURIComponent(address.id)}` : "";
  // Colons and slashes are legal in a query; times stay readable without their escapes.
  return `/${path}${id}?${query.toString().replaceAll("%3A", ":").replaceAll("%2F", "/")}`;
}
