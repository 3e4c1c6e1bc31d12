// Telemetry is hostile input. Preact renders strings as text nodes; this makes sure that what
// reaches it is a string, that control and bidirectional characters are seen instead of obeyed,
// and that no single value can flood the page.

// C0/C1 controls but tab and newline, bidi embeddings, overrides, isolates, and zero-width characters.
// eslint-disable-next-line no-control-regex
const kInvisible = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

const kMaxShownChars = 4000;

// Any value as text that is safe to show in one place.
export function shown(value: unknown, maxChars = kMaxShownChars): string {
  let text = typeof value === "string" ? value : value == null ? "" : String(value);
  const length = text.length;
  if (length > maxChars) text = text.slice(0, maxChars);
  text = text.replace(kInvisible, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
  return length > maxChars ? `${text}… (${length - maxChars} more characters)` : text;
}

// The same on one line, for table cells.
export function shownLine(value: unknown, maxChars = 300): string {
  return shown(value, maxChars).replace(/\s*\n\s*/g, " ⏎ ");
}

// Where the character at a byte offset of the UTF-8 form stands in a string: servers count by bytes.
export function indexOfByte(text: string, offset: number): number {
  let at = 0;
  for (let bytes = 0; at < text.length && bytes < offset; ) {
    const code = text.codePointAt(at)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += code < 0x10000 ? 1 : 2;
  }
  return at;
}

// Only these may become a link out of an attribute's value.
export function safeHref(value: string): string | null {
  if (!/^https?:\/\/[^\s]+$/i.test(value)) return null;
  try {
    const url = new URL(value);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}
