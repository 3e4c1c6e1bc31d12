// Short messages: a toast for the eye and a polite live region for screen readers.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

const message = signal<{ text: ComponentChildren; shown: boolean } | null>(null);
let timer = 0;

export function toast(text: ComponentChildren): void {
  message.value = { text, shown: true };
  clearTimeout(timer);
  timer = window.setTimeout(() => (message.value = null), 6000);
}

// For screen readers alone.
export function announce(text: string): void {
  message.value = { text, shown: false };
}

export function Announcer() {
  const now = message.value;
  return (
    <div role="status" aria-live="polite" class={now?.shown ? "toast" : "sr"}>
      {now?.text}
    </div>
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
