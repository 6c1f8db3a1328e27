import { expect, test } from "vitest";

import { rowLine, totals } from "./report.mjs";
import { summarize, summarizeAll } from "./statistics.mjs";

const pairs = (ours, theirs) => ({ ours, theirs, repeats: 1 });
const row = (name, own, place = "device") => ({ name, place, state: "measured", reason: null, pairs: own });

test("the ratio is the median over pairs of theirs by ours, not the ratio of medians", () => {
  const found = summarize(pairs([1, 2, 10], [3, 4, 10]));
  expect(found.ratio).toBe(2); // of 3, 2 and 1
  expect([found.oursMs, found.theirsMs, found.pairs]).toEqual([2, 4, 3]);
});

test("a median of an even count lies between the two in the middle", () => {
  expect(summarize(pairs([1, 1, 1, 1], [1, 2, 4, 8])).ratio).toBe(3);
});

test("equal ratios have an interval without width", () => {
  expect(summarize(pairs([1, 2, 3], [2, 4, 6])).interval).toEqual([2, 2]);
});

test("the interval holds the ratio, lies within the ratios, and is the same every time", () => {
  const ours = Array.from({ length: 25 }, (_, i) => 1 + (i % 7) / 10);
  const theirs = Array.from({ length: 25 }, (_, i) => 2 + (i % 5) / 5);
  const { ratio, interval } = summarize(pairs(ours, theirs));
  const ratios = ours.map((time, i) => theirs[i] / time);
  expect(interval[0]).toBeGreaterThan(Math.min(...ratios));
  expect(interval[0]).toBeLessThan(ratio);
  expect(interval[1]).toBeGreaterThan(ratio);
  expect(interval[1]).toBeLessThan(Math.max(...ratios));
  expect(summarize(pairs(ours, theirs)).interval).toEqual(interval);
});

test("a 95 % interval covers the true median of seeded samples about so often", () => {
  let covered = 0;
  for (let trial = 0; trial < 60; trial++) {
    // Weyl sequences from different starts are spread evenly around 2.
    const theirs = Array.from(
      { length: 25 },
      (_, i) => 1 + 2 * (((i + 1) * 0.754877 + trial * 0.5698403) % 1),
    );
    const mixed = theirs.map((_, i) => theirs[(i * 7 + trial) % 25]);
    const [low, high] = summarize(
      pairs(
        theirs.map(() => 1),
        mixed,
      ),
    ).interval;
    if (low <= 2 && high >= 2) covered += 1;
  }
  expect(covered).toBeGreaterThan(54);
});

test("several cases are joined by their geometric mean, each counting once", () => {
  const found = summarizeAll([
    row("slow", pairs([1, 1, 1, 1, 1], [0.5, 0.5, 0.5, 0.5, 0.5])),
    row("fast", pairs([1, 1, 1], [8, 8, 8])),
  ]);
  expect(found.ratio).toBeCloseTo(2, 12);
  expect(found.cases).toBe(2);
  found.interval.forEach((end) => expect(end).toBeCloseTo(2, 12));
});

test("won and lost need an interval that leaves 1", () => {
  expect(rowLine(row("a", pairs([1, 1, 1], [2, 2, 2])))).toMatch(/\| won \|$/);
  expect(rowLine(row("a", pairs([2, 2, 2], [1, 1, 1])))).toMatch(/\| lost \|$/);
  expect(rowLine(row("a", pairs([1, 1, 1], [0.5, 1, 2])))).toMatch(/\| even \|$/);
  expect(rowLine(row("a", pairs([1, 1, 1], [1, 1, 1])))).toMatch(/\| even \|$/);
});

test("the totals name what was lost and what has no number", () => {
  const rows = [
    row("fast", pairs([1, 1, 1], [4, 4, 4])),
    row("slow", pairs([2, 2, 2], [1, 1, 1])),
    { name: "wrong", place: "device", state: "failed", reason: "ours: it differs", pairs: null },
    { name: "absent", place: "host", state: "late", reason: "the time was over", pairs: null },
  ];
  expect(totals(rows)).toEqual([
    "device: geometric mean 1.41 (1.41–1.41) over 2 cases",
    "lost: slow",
    "without a number: wrong",
    "host: nothing was measured",
  ]);
});
