// How numbers, durations and times are written everywhere on the page.

const kDurationUnits: readonly [number, string][] = [
  [1, "ms"],
  [1e-3, "µs"],
  [1e-6, "ns"],
];

// From this share of a unit on, three digits round to one of it: "1 ms", not "1000 µs".
const kRoundsUp = 0.9995;

function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  const text = value.toFixed(Math.min(decimals, 6));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

// "1 m 15 s"; a second unit of nothing is left out.
const twoUnits = (big: number, unit: string, small: number, small_unit: string) => `${big} ${unit}${small ? ` ${small} ${small_unit}` : ""}`;

// 0.0004 -> "400 ns", 12.345 -> "12.3 ms", 6021 -> "6.02 s", 75000 -> "1 m 15 s", 3600000 -> "1 h".
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  const sign = ms < 0 ? "−" : "";
  const size = Math.abs(ms);
  if (size === 0) return "0 ms";
  if (size < 999.5) {
    const [factor, unit] = kDurationUnits.find(([f]) => size >= f * kRoundsUp) ?? [1e-6, "ns"];
    return `${sign}${significant(size / factor, 3)} ${unit}`;
  }
  if (size < 59_950) return `${sign}${significant(size / 1000, 3)} s`;
  const seconds = Math.round(size / 1000);
  if (seconds < 3600) return sign + twoUnits(Math.floor(seconds / 60), "m", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return sign + twoUnits(Math.floor(minutes / 60), "h", minutes % 60, "m");
  return sign + twoUnits(Math.floor(minutes / 1440), "d", Math.floor((minutes % 1440) / 60), "h");
}

// A duration as TraceQL writes it, without loss: 6s, 250ms, 1.5ms, 400ns.
export function traceqlDuration(ms: number): string {
  const ns = Math.max(0, Math.round(ms * 1e6));
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["us", 1e3]] as const) {
    if (ns >= size) return `${ns / size}${unit}`; // at most nine decimals, which doubles have to spare
  }
  return `${ns}ns`;
}

const kCountUnits = ["", "k", "M", "G", "T"];

// 1234 -> "1.23k". Whole numbers under a thousand stay as they are.
export function formatCount(value: number): string {
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 1000 * kRoundsUp && unit < kCountUnits.length - 1) {
    size /= 1000;
    unit++;
  }
  return significant(size, 3) + kCountUnits[unit];
}

export function formatBytes(value: number): string {
  let unit = 0;
  let size = value;
  while (size >= 1000 * kRoundsUp && unit < 4) {
    size /= 1000;
    unit++;
  }
  return `${significant(size, 3)} ${["B", "kB", "MB", "GB", "TB"][unit]}`;
}

// A share between 0 and 1. A share that is not quite nothing never reads as 0 %.
export function formatShare(share: number): string {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${significant(share * 100, share < 0.1 ? 2 : 3)} %`;
}

export function formatRate(perSecond: number): string {
  if (perSecond === 0) return "0/s";
  if (perSecond < 0.1) return `${significant(perSecond * 60, 2)}/min`;
  return `${formatCount(Number(perSecond.toPrecision(3)))}/s`;
}

const kPad = (value: number, width = 2) => String(value).padStart(width, "0");
const kMonths = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// "10:04:05.123" in the reader's time zone.
export function formatClock(ms: number, withMillis = true): string {
  const d = new Date(ms);
  const clock = `${kPad(d.getHours())}:${kPad(d.getMinutes())}:${kPad(d.getSeconds())}`;
  return withMillis ? `${clock}.${kPad(d.getMilliseconds(), 3)}` : clock;
}

export function formatDay(ms: number): string {
  const d = new Date(ms);
  return `${d.getDate()} ${kMonths[d.getMonth()]}`;
}

const kDayMs = 86400e3;

// A moment within a range of time: with its day where the range has several.
export function formatWithin(ms: number, startMs: number, endMs: number): string {
  return endMs - startMs > kDayMs ? `${formatDay(ms)} ${formatClock(ms, false)}` : formatClock(ms, false);
}

export function formatDateTime(ms: number): string {
  return `${formatDay(ms)} ${new Date(ms).getFullYear()}, ${formatClock(ms, false)}`;
}

export function formatAgo(ms: number, now: number): string {
  const age = now - ms;
  if (age < 0) return "in the future";
  if (age < 1500) return "just now";
  return `${formatDuration(age >= 60_000 ? Math.floor(age / 60_000) * 60_000 : Math.floor(age / 1000) * 1000)} ago`;
}

// "UTC+2": said beside times, since a link is read in another zone than it was made in.
export function zoneName(at = Date.now()): string {
  const minutes = -new Date(at).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes);
  const rest = size % 60 ? `:${kPad(size % 60)}` : "";
  return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${rest}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
