import { describe, expect, it } from "vitest";
import { placeLabels } from "../../src/widgets/release_labels.ts";

describe("labels of releases", () => {
  it("stand beside their lines while there is room", () => {
    expect(placeLabels([{ x: 0, width: 50 }, { x: 100, width: 50 }], 500, 3)).toEqual([{ left: 4, row: 0 }, { left: 104, row: 0 }]);
  });

  it("go down a row when the one before is in the way, and up again behind it", () => {
    const places = placeLabels([{ x: 0, width: 80 }, { x: 10, width: 80 }, { x: 20, width: 80 }, { x: 95, width: 20 }], 500, 3);
    expect(places.map((place) => place?.row)).toEqual([0, 1, 2, 0]);
  });

  it("end at the right edge, and never lie over another", () => {
    const lines = Array.from({ length: 12 }, (_, i) => ({ x: 400 + i * 7, width: 30 + (i % 4) * 10 }));
    const places = placeLabels(lines, 500, 4);
    places.forEach((a, i) => {
      if (!a) return;
      expect(a.left + lines[i].width).toBeLessThanOrEqual(500);
      for (const b of places.slice(i + 1)) {
        if (b && b.row === a.row) expect(b.left).toBeGreaterThan(a.left + lines[i].width);
      }
    });
    expect(places.filter((place) => place === null).length).toBeGreaterThan(0);
  });
});
