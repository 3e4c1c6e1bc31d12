// Where the names of releases go when their lines stand close together: each as high as there is room, none
// over another.

const kGapPx = 8;

export interface LabelPlace {
  left: number;
  row: number; // 0 is the highest
}

// `lines`: x and width of each label, from left to right. A label begins right of its line, or ends at `right`
// where the chart does. null: there is no room within `rows`.
export function placeLabels(lines: readonly { x: number; width: number }[], right: number, rows: number): (LabelPlace | null)[] {
  const free = new Array<number>(rows).fill(-Infinity);
  return lines.map(({ x, width }) => {
    const left = Math.min(x + 4, right - width);
    const row = free.findIndex((end) => left > end);
    if (row < 0) return null;
    free[row] = left + width + kGapPx;
    return { left, row };
  });
}
