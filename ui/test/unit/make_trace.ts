// Traces for tests, written as a few plain spans and sent through the real decoder.

import { decodeTracesData } from "../../src/api/otlp_proto.ts";
import { buildTrace, type Trace } from "../../src/base/trace/model.ts";
// @ts-expect-error plain JavaScript without types
import { encodeTracesData } from "../story/otlp_encode.mjs";
// @ts-expect-error plain JavaScript without types
import { attribute } from "../story/story.mjs";

export interface SpanIn {
  id: string; // any short text; padded into 8 bytes
  parent?: string;
  service?: string;
  name?: string;
  kind?: number;
  at: number; // ms
  for: number; // ms
  error?: boolean;
  attrs?: Record<string, unknown>;
  events?: { name: string; at: number }[];
  host?: string;
}

export const kBaseMs = 1_700_000_000_000;

export function hexId(text: string): string {
  return Buffer.from(text.padEnd(8, "_")).toString("hex").slice(0, 16);
}

export function otlp(spans: SpanIn[]) {
  const nano = (ms: number) => String(BigInt(kBaseMs) * 1_000_000n + BigInt(Math.round(ms * 1e6)));
  return {
    resourceSpans: spans.map((s) => ({
      resource: { attributes: [attribute("service.name", s.service ?? "a"), ...(s.host ? [attribute("host.name", s.host)] : [])] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: "0".repeat(31) + "1",
              spanId: hexId(s.id),
              ...(s.parent ? { parentSpanId: hexId(s.parent) } : {}),
              name: s.name ?? s.id,
              kind: s.kind ?? 1,
              startTimeUnixNano: nano(s.at),
              endTimeUnixNano: nano(s.at + s.for),
              attributes: Object.entries(s.attrs ?? {}).map(([k, v]) => attribute(k, v)),
              events: (s.events ?? []).map((e) => ({ name: e.name, timeUnixNano: nano(e.at), attributes: [] })),
              status: s.error ? { code: 2, message: "broke" } : {},
            },
          ],
        },
      ],
    })),
  };
}

export function makeTrace(spans: SpanIn[]): Trace {
  return buildTrace(decodeTracesData(new Uint8Array(encodeTracesData(otlp(spans))), "0".repeat(31) + "1"));
}

export function byName(trace: Trace, name: string): number {
  for (let i = 0; i < trace.count; i++) if (trace.names[trace.nameId[i]] === name) return i;
  throw new Error(`no span ${name}`);
}

// Random tests print their seed and run again with WEFT_TEST_SEED.
export function testSeed(): number {
  const seed = Number(process.env.WEFT_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`WEFT_TEST_SEED=${seed}`);
  return seed;
}
