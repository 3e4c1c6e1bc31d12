// The time range: always absolute in the address, chosen by presets, by typing or by shifting.

import { useRef, useState } from "preact/hooks";
import { nanoToMs } from "../api/types.ts";
import { formatClock, formatDay, formatDuration, zoneName } from "../base/format.ts";
import { kMaxTimeMs, type TimeRange } from "../base/permalink.ts";
import { address, patchAddress } from "../base/router.ts";
import { Icon } from "./icons.tsx";
import { config } from "./service_name.tsx";

const kPresets: readonly [string, number][] = [
  ["5 m", 5 * 60e3],
  ["15 m", 15 * 60e3],
  ["1 h", 3600e3],
  ["3 h", 3 * 3600e3],
  ["12 h", 12 * 3600e3],
  ["24 h", 86400e3],
  ["7 d", 7 * 86400e3],
  ["30 d", 30 * 86400e3],
];
const kDefaultSpanMs = 3600e3;

// The last hour; less when nothing that is stored is that old, since it would be a sliver at the edge.
export function defaultSpanMs(): number {
  const ageMs = Date.now() - nanoToMs(config.value?.oldestSpanUnixNano ?? "0");
  return kPresets.map(([, ms]) => ms).find((ms) => ms < kDefaultSpanMs && ms >= ageMs) ?? kDefaultSpanMs;
}

export function lastRange(spanMs: number): TimeRange {
  const endMs = Date.now();
  return { startMs: endMs - spanMs, endMs };
}

// Pages over a time range call this first: an address without one gets the last hour or less, absolutely.
export function requireRange(): TimeRange {
  const now = address.value;
  if (now.range) return now.range;
  const range = lastRange(defaultSpanMs());
  queueMicrotask(() => {
    if (!address.peek().range) patchAddress({ range }, true);
  });
  return range;
}

export function describeRange(range: TimeRange): string {
  const same = new Date(range.startMs).toDateString() === new Date(range.endMs).toDateString();
  const from = same ? formatClock(range.startMs, false) : `${formatDay(range.startMs)} ${formatClock(range.startMs, false)}`;
  const to = same ? formatClock(range.endMs, false) : `${formatDay(range.endMs)} ${formatClock(range.endMs, false)}`;
  return same ? `${formatDay(range.startMs)}, ${from} – ${to}` : `${from} – ${to}`;
}

function toLocalInput(ms: number): string {
  const d = new Date(ms - new Date(ms).getTimezoneOffset() * 60e3);
  return d.toISOString().slice(0, 23);
}

export function RangePicker() {
  const popover = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [problem, setProblem] = useState("");
  const range = address.value.range ?? lastRange(defaultSpanMs());
  const span = range.endMs - range.startMs;
  const set = (next: TimeRange) => {
    popover.current?.hidePopover?.();
    setProblem("");
    patchAddress({ range: { startMs: Math.max(0, next.startMs), endMs: Math.min(kMaxTimeMs, next.endMs) } });
  };
  const place = () => {
    const box = button.current!.getBoundingClientRect();
    const element = popover.current!;
    element.style.top = `${box.bottom + 6}px`;
    element.style.right = `${Math.max(8, window.innerWidth - box.right)}px`;
  };
  const submit = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const startMs = Date.parse(String(form.get("from")));
    const endMs = Date.parse(String(form.get("to")));
    if (!(endMs > startMs)) return setProblem("The end must come after the start.");
    set({ startMs, endMs });
  };
  return (
    <div class="segments" role="group" aria-label="Time range">
      <button type="button" class="button icon" aria-label="Earlier" title="Earlier" onClick={() => set({ startMs: range.startMs - span / 2, endMs: range.endMs - span / 2 })}>
        <Icon.left />
      </button>
      <button type="button" class="button range-button" ref={button} popovertarget="range-popover" onClick={place}>
        <Icon.clock />
        <span class="sr">Time range: </span>
        {describeRange(range)} <span class="muted range-length">{formatDuration(span)}</span>
      </button>
      <button type="button" class="button icon" aria-label="Later" title="Later" onClick={() => set({ startMs: range.startMs + span / 2, endMs: range.endMs + span / 2 })}>
        <Icon.right />
      </button>
      <button type="button" class="button icon" aria-label="Up to now" title="The same span of time, up to now" onClick={() => set(lastRange(span))}>
        <Icon.refresh />
      </button>
      <div id="range-popover" popover="auto" ref={popover}>
        <form class="range-form" onSubmit={submit}>
          <span class="muted">The last</span>
          <div class="presets">
            {kPresets.map(([title, ms]) => (
              <button type="button" class="button small" key={title} onClick={() => set(lastRange(ms))} aria-label={`The last ${title}`}>
                {title}
              </button>
            ))}
          </div>
          <label>
            From
            <input class="field" type="datetime-local" step="0.001" name="from" defaultValue={toLocalInput(range.startMs)} key={`f${range.startMs}`} required />
          </label>
          <label>
            To
            <input class="field" type="datetime-local" step="0.001" name="to" defaultValue={toLocalInput(range.endMs)} key={`t${range.endMs}`} required />
          </label>
          {problem && <p class="error-text" role="alert">{problem}</p>}
          <div class="toolbar">
            <span class="muted grow">{zoneName(range.startMs)}</span>
            <button type="button" class="button small" onClick={() => set({ startMs: range.startMs - span / 2, endMs: range.endMs + span / 2 })}>
              Zoom out
            </button>
            <button type="submit" class="button small primary">
              Apply
            </button>
          </div>
        </form>
      </div>
    </div>
  );
}
