// Where the page is: one signal that mirrors the address bar, and the two ways to change it.

import { computed, signal } from "@preact/signals";
import { type Address, decodeAddress, encodeAddress, type PageName, type TimeRange } from "./permalink.ts";

const href = signal(typeof location === "undefined" ? "/" : location.pathname + location.search);

export const address = computed<Address>(() => decodeAddress(href.value));

if (typeof window !== "undefined") {
  window.addEventListener("popstate", () => (href.value = location.pathname + location.search));
}

export function navigate(to: string, replace = false): void {
  if (to === href.peek()) return;
  if (replace) history.replaceState(null, "", to);
  else {
    history.pushState(null, "", to);
    if (decodeAddress(to).page !== address.peek().page) window.scrollTo(0, 0);
  }
  href.value = to;
}

// Changes parts of the present page's state and leaves the rest. null removes a key.
export function patchAddress(
  patch: { range?: TimeRange | null; params?: Record<string, string | number | boolean | null> },
  replace = false,
): void {
  const now = address.peek();
  navigate(
    encodeAddress({
      page: now.page,
      id: now.id,
      range: patch.range === undefined ? now.range : patch.range,
      params: { ...now.params, ...patch.params },
    }),
    replace,
  );
}

// A link inside the page, keeping the present time range unless another is given.
export function linkTo(
  page: PageName,
  options: { id?: string; range?: TimeRange | null; params?: Record<string, string | number | boolean | null> } = {},
): string {
  const range = options.range === undefined ? address.value.range : options.range;
  return encodeAddress({ page, id: options.id, range, params: options.params });
}

// Plain clicks on the page's own links are navigation without a reload.
export function interceptLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = (event.target as Element | null)?.closest?.("a");
  const to = anchor?.getAttribute("href");
  if (!anchor || !to?.startsWith("/") || to.startsWith("//")) return;
  if (anchor.hasAttribute("download") || anchor.target || anchor.hasAttribute("data-reload")) return;
  event.preventDefault();
  navigate(to);
}
