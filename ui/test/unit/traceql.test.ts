import { describe, expect, it } from "vitest";
import { attributeKey, completionAt, conditionsOf, isMetricsQuery, quoted, tokenize, withCondition, withoutCondition } from "../../src/base/traceql.ts";
import { toggleCondition } from "../../src/widgets/facets.tsx";
// @ts-expect-error plain JavaScript without types
import { random } from "../story/story.mjs";
import { testSeed } from "./make_trace.ts";

const kinds = (q: string) => tokenize(q).filter((t) => t.kind !== "space").map((t) => `${q.slice(t.start, t.end)}:${t.kind}`);

describe("colouring TraceQL", () => {
  it("tells the kinds of tokens apart", () => {
    expect(kinds('{ span.http.status_code >= 500 && name =~ "GET .*" }')).toEqual(["{:brace", "span.http.status_code:attribute", ">=:operator", "500:number", "&&:operator", "name:intrinsic", "=~:operator", '"GET .*":string', "}:brace"]);
    expect(kinds("{ .a > 1.5s || resource.\"x y\" = nil } | rate() by(span:name)")).toEqual(["{:brace", ".a:attribute", ">:operator", "1.5s:number", "||:operator", 'resource."x y":attribute', "=:operator", "nil:keyword", "}:brace", "|:operator", "rate:keyword", "(:brace", "):brace", "by:keyword", "(:brace", "span:name:intrinsic", "):brace"]);
    expect(kinds("{} &>> {} !< {}").filter((k) => k.endsWith("operator"))).toEqual(["&>>:operator", "!<:operator"]);
  });

  it("covers every character exactly once, whatever is typed", () => {
    const rng = random(testSeed());
    const kChars = [...'{}()"`=!~<>&|.:,+-*/% azAZ_09\\\n§ü😀'];
    for (let i = 0; i < 2000; i++) {
      const text = Array.from({ length: Math.floor(rng() * 30) }, () => kChars[Math.floor(rng() * kChars.length)]).join("");
      let at = 0;
      for (const t of tokenize(text)) {
        expect(t.start).toBe(at);
        expect(t.end).toBeGreaterThan(t.start);
        at = t.end;
      }
      expect(at).toBe(text.length);
    }
  });

  it("knows a metric from a search", () => {
    expect(isMetricsQuery("{ } | rate()")).toBe(true);
    expect(isMetricsQuery("{ } | quantile_over_time(duration, .9) by(name)")).toBe(true);
    expect(isMetricsQuery('{ name = "rate()" }')).toBe(false);
    expect(isMetricsQuery("{ } | count() > 2")).toBe(false);
  });
});

describe("completion", () => {
  const at = (q: string) => {
    const cursor = q.indexOf("¦");
    return completionAt(q.replace("¦", ""), cursor);
  };
  it("offers keys after a brace or a conjunction", () => {
    expect(at("{ ¦ }").want).toBe("key");
    expect(at("{ span.ht¦ }")).toMatchObject({ want: "key", prefix: "span.ht", start: 2, end: 9 });
    expect(at("{ a = 1 && ¦ }").want).toBe("key");
  });
  it("offers values of the compared key", () => {
    expect(at("{ span.http.route = ¦ }")).toMatchObject({ want: "value", key: "span.http.route", prefix: "" });
    expect(at('{ resource.service.name = "se¦" }')).toMatchObject({ want: "value", key: "resource.service.name", prefix: "se", start: 26, end: 30 });
    expect(at("{ status = er¦ }")).toMatchObject({ want: "value", key: "status", prefix: "er" });
  });
  it("offers the pipeline after a bar and starts for nothing", () => {
    expect(at("{ } | ra¦").want).toBe("pipeline");
    expect(at("¦").want).toBe("start");
    expect(at("{ a = 1 ¦}").want).toBe("none");
  });
});

describe("facets write TraceQL", () => {
  it("reads plain conditions and nothing else", () => {
    expect(conditionsOf("")).toEqual([]);
    expect(conditionsOf("{}")).toEqual([]);
    expect(conditionsOf('{ a.b = "x && y" && (.c = 1 || .d = 2) }')).toEqual(['a.b = "x && y"', "(.c = 1 || .d = 2)"]);
    expect(conditionsOf("{ .a = 1 || .b = 2 }")).toBeNull();
    expect(conditionsOf("{ .a = 1 } >> { .b = 2 }")).toBeNull();
    expect(conditionsOf("{ .a = 1 } | rate()")).toBeNull();
  });
  it("adds and removes conditions", () => {
    expect(withCondition("", "status = error")).toBe("{ status = error }");
    expect(withCondition("{ .a = 1 }", "status = error")).toBe("{ .a = 1 && status = error }");
    expect(withCondition("{ .a = 1 || .b = 2 }", "status = error")).toBe("{ (.a = 1 || .b = 2) && status = error }");
    expect(withCondition("{ .a = 1 } | rate()", "status = error")).toBe("{ .a = 1 && status = error } | rate()");
    expect(withCondition("{ .a = 1 } >> { .b = 2 }", "status = error")).toBe("({ .a = 1 } >> { .b = 2 }) && { status = error }");
    expect(withoutCondition("{ .a = 1 && status = error }", ".a = 1")).toBe("{ status = error }");
  });
  it("replaces the choice of its own group alone", () => {
    const group = (c: string) => c.startsWith("status");
    expect(toggleCondition("{ .a = 1 && status = error }", "status = ok", group)).toBe("{ .a = 1 && status = ok }");
    expect(toggleCondition("{ status = ok }", "status = ok", group)).toBe("{ }");
  });
  it("quotes what needs quotes", () => {
    expect(quoted('a"b\\c\n')).toBe('"a\\"b\\\\c\\n"');
    expect(attributeKey("span", "http.route")).toBe("span.http.route");
    expect(attributeKey("resource", "a b")).toBe('resource."a b"');
    expect(attributeKey("span", '"><script>')).toBe('span."\\"><script>"');
  });
});
