import { describe, expect, it } from "vitest";
import { decodeAddress, encodeAddress, parseTime } from "../../src/base/permalink.ts";
// @ts-expect-error plain JavaScript without types
import { random } from "../story/story.mjs";
import { testSeed } from "./make_trace.ts";

describe("permalinks", () => {
  it("carry the view, absolute times, the version and every parameter", () => {
    const link = encodeAddress({ page: "search", range: { startMs: 1_700_000_000_000, endMs: 1_700_000_060_000 }, params: { q: '{ span.a = "x&y=z" }', limit: 200 } });
    expect(link).toMatch(/^\/search\?v=1&start=2023-11-14T22:13:20\.000Z&end=2023-11-14T22:14:20\.000Z&/);
    const back = decodeAddress(link);
    expect(back).toEqual({ page: "search", id: "", range: { startMs: 1_700_000_000_000, endMs: 1_700_000_060_000 }, params: { q: '{ span.a = "x&y=z" }', limit: "200" }, fromNewerVersion: false });
  });

  it("round-trip whatever text is in them", () => {
    const rng = random(testSeed());
    const kChars = [...'{}"=&?#%+/\\ \n\t<>öß😀\u202e.,:;|abc0'];
    for (let i = 0; i < 300; i++) {
      const text = () => Array.from({ length: Math.floor(rng() * 20) }, () => kChars[Math.floor(rng() * kChars.length)]).join("");
      const params: Record<string, string> = { q: `x${text()}`, find: `y${text()}` };
      const startMs = Math.floor(rng() * 2e12);
      const range = { startMs, endMs: startMs + 1 + Math.floor(rng() * 1e9) };
      const id = "abc123";
      expect(decodeAddress(encodeAddress({ page: "trace", id, range, params }))).toEqual({ page: "trace", id, range, params, fromNewerVersion: false });
    }
  });

  it("drop what is at its default", () => {
    expect(encodeAddress({ page: "map", params: { q: "", chosen: null, view: undefined, x: false } })).toBe("/map?v=1");
  });

  it("read the times that people type", () => {
    expect(parseTime("1700000000")).toBe(1_700_000_000_000);
    expect(parseTime("1700000000000")).toBe(1_700_000_000_000);
    expect(parseTime("1700000000000000000")).toBe(1_700_000_000_000);
    expect(parseTime("2023-11-14T22:13:20Z")).toBe(1_700_000_000_000);
    expect(parseTime("yesterday")).toBeNull();
  });

  it("do not break on nonsense", () => {
    expect(decodeAddress("/trace/%E0%A4%A?start=5&end=1").range).toBeNull();
    for (const end of ["9".repeat(30), "99999999999", "+275760-09-13T00:00:00Z"]) expect(decodeAddress(`/search?start=5&end=${encodeURIComponent(end)}`).range).toBeNull();
    expect(decodeAddress("/search?start=1900-01-01T00:00:00Z&end=5").range).toBeNull();
    expect(decodeAddress("/__proto__").page).toBe("notfound");
    expect(decodeAddress("/constructor").page).toBe("notfound");
    expect(decodeAddress("/map?v=9").fromNewerVersion).toBe(true);
    expect(decodeAddress("/").page).toBe("search");
  });
});
