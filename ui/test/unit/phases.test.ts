import { describe, expect, it } from "vitest";
import { phasesOf } from "../../src/base/trace/phases.ts";
import { byName, makeTrace, type SpanIn } from "./make_trace.ts";

const kClient = 3;

function phases(spans: SpanIn[], name = "call") {
  const t = makeTrace(spans);
  const p = phasesOf(t, byName(t, name));
  return p && { ...p, phases: p.phases.map((x) => [x.name, x.startNs / 1e6, x.endNs / 1e6]), failed: p.phases.filter((x) => x.failed).map((x) => x.name) };
}

describe("network phases", () => {
  it("come from child spans, through http.getconn too, with the wait between", () => {
    expect(
      phases([
        { id: "call", kind: kClient, at: 0, for: 100 },
        { id: "http.getconn", parent: "call", kind: kClient, at: 0, for: 30, name: "http.getconn" },
        { id: "d", parent: "http.getconn", kind: kClient, at: 0, for: 10, name: "http.dns" },
        { id: "c", parent: "http.getconn", kind: kClient, at: 10, for: 8, name: "http.connect" },
        { id: "t", parent: "http.getconn", kind: kClient, at: 18, for: 12, name: "http.tls" },
        { id: "s", parent: "call", kind: kClient, at: 30, for: 1, name: "http.send" },
        { id: "r", parent: "call", kind: kClient, at: 90, for: 10, name: "http.receive" },
      ].map((s) => ({ ...s, id: s.id.slice(0, 8), parent: s.parent?.slice(0, 8) }))),
    ).toEqual({
      source: "spans",
      hiddenByBrowser: false,
      failed: [],
      phases: [
        ["dns", 0, 10],
        ["connect", 10, 18],
        ["tls", 18, 30],
        ["send", 30, 31],
        ["wait", 31, 90],
        ["receive", 90, 100],
      ],
    });
  });

  it("end at the phase that failed, without a wait", () => {
    const found = phases([
      { id: "call", kind: kClient, at: 0, for: 50, error: true },
      { id: "d", parent: "call", kind: kClient, at: 1, for: 48, name: "http.dns", error: true },
    ]);
    expect(found?.phases).toEqual([["dns", 1, 49]]);
    expect(found?.failed).toEqual(["dns"]);
  });

  it("come from a browser's events", () => {
    const at = { fetchStart: 0, domainLookupStart: 1, domainLookupEnd: 5, connectStart: 5, secureConnectionStart: 9, connectEnd: 20, requestStart: 21, responseStart: 60, responseEnd: 70 };
    expect(phases([{ id: "call", kind: kClient, at: 0, for: 75, events: Object.entries(at).map(([name, t]) => ({ name, at: t })) }])).toEqual({
      source: "events",
      hiddenByBrowser: false,
      failed: [],
      phases: [
        ["dns", 1, 5],
        ["connect", 5, 9],
        ["tls", 9, 20],
        ["wait", 21, 60],
        ["receive", 60, 70],
      ],
    });
  });

  it("are said to be hidden where the browser keeps them, never shown as zero", () => {
    // Zeros in the browser's clock lie at the time origin, long before the span.
    const events = ["domainLookupStart", "domainLookupEnd", "connectStart", "connectEnd", "requestStart", "responseStart"].map((name) => ({ name, at: -5000 }));
    const found = phases([{ id: "call", kind: kClient, at: 0, for: 75, events: [{ name: "fetchStart", at: 0 }, ...events, { name: "responseEnd", at: 70 }] }]);
    expect(found?.hiddenByBrowser).toBe(true);
    expect(found?.phases).toEqual([]);
  });

  it("come from hook events", () => {
    expect(
      phases([
        {
          id: "call",
          kind: kClient,
          at: 0,
          for: 50,
          events: [
            { name: "http.dns.start", at: 0 },
            { name: "http.dns.done", at: 4 },
            { name: "http.connect.start", at: 4 },
            { name: "http.connect.done", at: 9 },
          ],
        },
      ])?.phases,
    ).toEqual([
      ["dns", 0, 4],
      ["connect", 4, 9],
      ["wait", 9, 50],
    ]);
  });

  it("come from timing attributes, in their units", () => {
    expect(phases([{ id: "call", kind: kClient, at: 0, for: 50, attrs: { "http.dns.duration_ms": 4, "http.connect.duration_us": 2500, "http.ttfb_ms": 30 } }])?.phases).toEqual([
      ["dns", 0, 4],
      ["connect", 4, 6.5],
      ["wait", 6.5, 36.5],
    ]);
  });

  it("are not made up of spans that are named like something every object has", () => {
    expect(phases([{ id: "call", kind: kClient, at: 0, for: 50 }, { id: "constructor", parent: "call", at: 1, for: 2 }])).toBeNull();
  });

  it("are not made up where nothing says them", () => {
    expect(phases([{ id: "call", kind: kClient, at: 0, for: 50, attrs: { "http.request.method": "GET", "http.response.status_code": 200 } }])).toBeNull();
    expect(phases([{ id: "call", kind: 2, at: 0, for: 50 }])).toBeNull();
  });
});
