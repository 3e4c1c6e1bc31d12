import { describe, expect, it } from "vitest";
import { configureSquads, serviceColour, squadHue } from "../../src/base/color.ts";
import { formatBytes, formatCount, formatDuration, formatShare, traceqlDuration } from "../../src/base/format.ts";
import { indexOfByte, safeHref, shown, shownLine } from "../../src/base/text.ts";
import { SseParser } from "../../src/api/search_stream.ts";
import { nanoToMs } from "../../src/api/types.ts";
import { nanos } from "../../src/api/endpoints.ts";

describe("numbers", () => {
  it("are short and have their unit", () => {
    expect([0, 0.0004, 0.25, 12.345, 999.4, 999.6, 6021, 60_000, 75_000, 3_600_000, 3_700_000].map(formatDuration)).toEqual(["0 ms", "400 ns", "250 µs", "12.3 ms", "999 ms", "1 s", "6.02 s", "1 m", "1 m 15 s", "1 h", "1 h 2 m"]);
    expect([0, 999, 1234, 1.5e6].map(formatCount)).toEqual(["0", "999", "1.23k", "1.5M"]);
    expect([345_678, 999_499, 999_600, 999].map(formatBytes)).toEqual(["346 kB", "999 kB", "1 MB", "999 B"]);
    expect([0.9994, 0.9996, 0.0009996].map(formatDuration)).toEqual(["999 µs", "1 ms", "1 µs"]);
    expect([0, 0.0001, 0.012, 0.5, 1].map(formatShare)).toEqual(["0 %", "< 0.1 %", "1.2 %", "50 %", "100 %"]);
  });
  it("write durations that TraceQL reads back exactly", () => {
    expect([6000, 250, 1.5, 0.0004, 1.19, 167.77216, 2147.483648].map(traceqlDuration)).toEqual(["6s", "250ms", "1.5ms", "400ns", "1.19ms", "167.77216ms", "2.147483648s"]);
  });
  it("keep nanoseconds exact where they must be", () => {
    expect(nanoToMs("1700000000123456789")).toBeCloseTo(1_700_000_000_123.4567, 3);
    expect(nanos(1_700_000_000_123)).toBe("1700000000123000000");
  });
});

describe("places in a text", () => {
  it("are found by the bytes that the server counts", () => {
    const text = '{ name = "üß😀" && spam.foo = 1 }';
    const place = text.indexOf("spam");
    expect(indexOfByte(text, new TextEncoder().encode(text.slice(0, place)).length)).toBe(place);
    expect([0, 3, 1000].map((offset) => indexOfByte(text, offset))).toEqual([0, 3, text.length]);
  });
});

describe("hostile text", () => {
  it("shows control and direction characters instead of obeying them", () => {
    expect(shown("a\u0000b\u001b[31m")).toBe("a␀b␛[31m");
    expect(shown("\u202eevil\u061c")).toBe("⟨U+202E⟩evil⟨U+061C⟩");
    expect(shownLine("a\nb")).toBe("a ⏎ b");
  });
  it("is always a string, and bounded", () => {
    expect(shown({ type: "div" })).toBe("[object Object]");
    expect(shown(null)).toBe("");
    expect(shown("x".repeat(10_000)).length).toBeLessThan(4100);
  });
  it("makes links of http and https alone", () => {
    expect(safeHref("https://a.example/x")).toBe("https://a.example/x");
    for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "//evil.example", "https://a b", "ftp://x"]) expect(safeHref(bad)).toBeNull();
  });
});

describe("colours", () => {
  it("are stable by name and never near the red of errors", () => {
    expect(serviceColour("a", "squad", false)).toEqual(serviceColour("a", "squad", false));
    for (let i = 0; i < 500; i++) {
      const hue = Number(/([\d.]+)\)$/.exec(serviceColour(`service-${i}`, null, false).fill)![1]);
      expect(hue).toBeGreaterThan(50);
      expect(hue).toBeLessThan(350);
    }
  });
  it("give configured squads hues of their own", () => {
    const names = ["Product", "Backend", "Account", "Search", "Index", "Storage", "Data", "Platform"];
    configureSquads(names);
    expect(new Set(names.map(squadHue)).size).toBe(names.length);
    configureSquads([...names].reverse());
    const again = names.map(squadHue);
    configureSquads(names);
    expect(names.map(squadHue)).toEqual(again);
  });
});

describe("server-sent events", () => {
  it("come whole however they are cut", () => {
    const text = ": hello\n\nevent: traces\ndata: {\"a\":\ndata: 1}\n\nevent: done\r\ndata: {}\r\n\r\ndata: last\n\n";
    for (let size = 1; size < 20; size++) {
      const parser = new SseParser();
      const events = [];
      for (let i = 0; i < text.length; i += size) events.push(...parser.feed(text.slice(i, i + size)));
      expect(events).toEqual([
        { event: "traces", data: '{"a":\n1}' },
        { event: "done", data: "{}" },
        { event: "message", data: "last" },
      ]);
    }
  });
});
