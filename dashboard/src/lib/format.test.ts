import { expect, test } from "vitest";
import { bytes, clock, duration, percent, rate, short, shortId } from "./format";

test.each([
  [-5, "0 s"],
  [NaN, "0 s"],
  [0.0002, "1 ms"],
  [0.9996, "1.0 s"],
  [9.96, "10 s"],
  [59.6, "1 m"],
  [3599.9, "1 h"],
  [7500, "2 h 5 m"],
  [90_000, "1 d 1 h"],
])("%d seconds read as %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test.each([
  [0, "0"],
  [9_999, "9,999"],
  [12_000, "12 k"],
  [1_240_000, "1.2 M"],
])("%d is %s in short", (value, text) => {
  expect(short(value)).toBe(text);
});

test("rates keep what is small, and sizes and shares say their unit", () => {
  expect([rate(0), rate(0.034), rate(4.21), rate(1300)]).toEqual(["0", "0.03", "4.2", "1,300"]);
  expect([bytes(12), bytes(12_300_000), percent(0.5)]).toEqual(["12 B", "12.3 MB", "50 %"]);
});

test("a time names its day only when it is another one, and knows UTC", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  expect(clock("2026-03-01T10:11:12.345Z", "UTC", now)).toBe("10:11:12.345");
  expect(clock("2026-02-28T23:59:59.999Z", "UTC", now)).toBe("2026-02-28 23:59:59");
});

test("a short id has both ends", () => {
  expect(shortId("019ab0c3-a23b-7007-a64f-0deb1923d8e5")).toBe("019a…1923d8e5");
});
