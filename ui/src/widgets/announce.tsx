// Short messages: a toast for the eye and a polite live region for screen readers.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

const toasted = signal<ComponentChildren>(null);
const said = signal("");
let timer = 0;

export function toast(text: ComponentChildren): void {
  toasted.value = text;
  clearTimeout(timer);
  timer = window.setTimeout(() => (toasted.value = null), 6000);
}

// For screen readers alone; a toast that is shown stays.
export function announce(text: string): void {
  said.value = text;
}

export function Announcer() {
  return (
    <>
      <div role="status" aria-live="polite" class={toasted.value ? "toast" : "sr"}>
        {toasted.value}
      </div>
      <div role="status" aria-live="polite" class="sr">
        {said.value}
      </div>
    </>
  );
}

// The clipboard API needs a secure origin; over plain HTTP on another host the old way still works.
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
