import { expect, test } from "vitest";
import { append, rateOf, rates, type Sample } from "./series";

function sample(t: number, settled: number): Sample {
  const none = { submitted: 0, completed: 0, retried: 0, dead: 0, cancelled: 0, depth: 0, running: 0 };
  return { t, settled, ...none, byPriority: {}, settledByType: {}, failedByType: {} };
}

const settled = (one: Sample): number => one.settled;

test("there is no rate before the second reading", () => {
  expect(rateOf([], settled)).toBeNull();
  expect(rateOf([sample(1, 5)], settled)).toBeNull();
});

test("a rate spans the window, and no more", () => {
  const all = [sample(0, 0), sample(100, 1000), sample(105, 1050), sample(110, 1200)];
  expect(rateOf(all, settled)).toBe(20);
});

test("a counter that fell is no negative rate", () => {
  expect(rateOf([sample(0, 100), sample(2, 10)], settled)).toBe(0);
});

test("a reading twice is one, and old ones are let go", () => {
  let all: readonly Sample[] = [];
  for (let t = 0; t < 1000; t += 1) all = append(append(all, sample(t, t)), sample(t, t));
  expect(all).toHaveLength(450);
  expect(rates(all, "settled").at(-1)).toBe(1);
});
