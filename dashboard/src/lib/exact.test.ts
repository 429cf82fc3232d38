import { expect, test } from "vitest";
import { ExactNumber, parseExact, writeExact } from "./exact";

test("a number that JavaScript would round keeps its digits", () => {
  expect(parseExact("12345678901234567890")).toEqual(new ExactNumber("12345678901234567890"));
  expect(parseExact("1.10")).toEqual(new ExactNumber("1.10"));
  expect(parseExact("42")).toBe(42);
});

test("a document comes back with its order, its keys and its numbers", () => {
  const text = '{"b":[1,{"__proto__":1e400}],"a":"\\u00e9\\n","z":null,"y":[],"x":{}}';
  expect(writeExact(parseExact(text), 0).replaceAll("\n", "").replaceAll(": ", ":")).toBe(
    text.replace("\\u00e9", "é"),
  );
});

test.each(["", "{", "[1,]", '{"a" 1}', "nul", "1 2", '"\\x"'])("%j is refused", (text) => {
  expect(() => parseExact(text)).toThrow(SyntaxError);
});
