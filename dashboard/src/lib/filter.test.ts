import { expect, test } from "vitest";
import { completions, parseFilter, writeFilter } from "./filter";

test("states, types and ids are told apart", () => {
  expect(parseFilter("state:Failed type:email.send")).toEqual({
    state: "FAILED",
    type: "email.send",
    wrong: [],
  });
  expect(parseFilter("019AB0C3-a23b-7007-a64f-0deb1923d8e5").id).toBe(
    "019ab0c3-a23b-7007-a64f-0deb1923d8e5",
  );
});

test("what is not understood is said, and filters nothing", () => {
  expect(parseFilter("state:broken colour:red id:12 type:9").wrong).toHaveLength(4);
  expect(parseFilter("").wrong).toEqual([]);
});

test("a filter reads back as it was written", () => {
  const text = "state:dead type:report.export";
  expect(writeFilter(parseFilter(text))).toBe(text);
});

test("completions go on from the last word", () => {
  expect(completions("state:dead ty", ["a.b", "c"])).toEqual(["state:dead type:a.b", "state:dead type:c"]);
});
