// Streaming search: server-sent events read through fetch (EventSource cannot send the token).

import type { TimeRange } from "../base/permalink.ts";
import { rangeParams } from "./endpoints.ts";
import { ApiError, apiFetch, apiUrl } from "./http.ts";
import type { ErrorBody, Inspected, SearchAnswer, TraceSummary } from "./types.ts";

export interface StreamHandlers {
  progress(inspected: Inspected): void;
  // More traces; not necessarily in order, and a trace may come again with more of its spans.
  traces(traces: TraceSummary[]): void;
  done(answer: Omit<SearchAnswer, "traces">): void;
}

export interface SseEvent {
  event: string;
  data: string;
}

// Feeds chunks of text in, gets whole events out (the event-stream format of the HTML standard).
export class SseParser {
  private rest = "";
  feed(chunk: string): SseEvent[] {
    this.rest += chunk;
    const events: SseEvent[] = [];
    for (;;) {
      const end = /\r\n\r\n|\n\n|\r\r/.exec(this.rest);
      if (!end) return events;
      const block = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      let event = "message";
      const data: string[] = [];
      for (const line of block.split(/\r\n|\n|\r/)) {
        const colon = line.indexOf(":");
        if (colon === 0) continue; // a comment that keeps the connection alive
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") event = value;
        else if (field === "data") data.push(value);
      }
      if (data.length) events.push({ event, data: data.join("\n") });
    }
  }
}

export async function searchStream(
  q: string,
  range: TimeRange,
  limit: number,
  handlers: StreamHandlers,
  abort: AbortSignal,
): Promise<void> {
  const response = await apiFetch(apiUrl("search/stream", { q, ...rangeParams(range), limit, spss: 3 }), {
    signal: abort,
    headers: { Accept: "text/event-stream" },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new SseParser();
  let finished = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    for (const { event, data } of parser.feed(value)) {
      const parsed = JSON.parse(data) as SearchAnswer & { error?: ErrorBody };
      if (event === "traces") handlers.traces(parsed.traces ?? []);
      else if (event === "progress") handlers.progress(parsed.inspected ?? (parsed as unknown as Inspected));
      else if (event === "error") throw new ApiError(500, parsed.error ?? { code: "internal", message: "The search failed." });
      else if (event === "done") {
        finished = true;
        if (parsed.traces?.length) handlers.traces(parsed.traces);
        handlers.done(parsed);
      }
    }
  }
  if (!finished) {
    throw new ApiError(0, { code: "unavailable", message: "The connection ended before the search did. Search again." });
  }
}
