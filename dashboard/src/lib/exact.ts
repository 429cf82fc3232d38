/**
 * JSON without loss: a number that JavaScript would round stays the text that was stored, and keys
 * such as "__proto__" are plain keys. Objects become Maps, in the order of the document.
 */
export class ExactNumber {
  constructor(readonly text: string) {}
}

export type Exact = null | boolean | string | number | ExactNumber | Exact[] | Map<string, Exact>;

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;

/** Parse a JSON text. Throws SyntaxError for what is none. */
export function parseExact(text: string): Exact {
  let at = 0;

  function fail(): never {
    throw new SyntaxError(`This is no JSON: unexpected text at ${at}.`);
  }
  function space(): void {
    while (/\s/.test(text[at] ?? "")) at += 1;
  }
  function take(pattern: RegExp): string {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) fail();
    at += found[0].length;
    return found[0];
  }
  function word<T extends Exact>(name: string, value: T): T {
    if (!text.startsWith(name, at)) fail();
    at += name.length;
    return value;
  }
  function value(): Exact {
    space();
    switch (text[at]) {
      case "{":
        return object();
      case "[":
        return array();
      case '"':
        return JSON.parse(take(STRING)) as string;
      case "t":
        return word("true", true);
      case "f":
        return word("false", false);
      case "n":
        return word("null", null);
      default:
        return exactly(take(NUMBER));
    }
  }
  function array(): Exact[] {
    const items: Exact[] = [];
    at += 1;
    space();
    if (text[at] === "]") return ((at += 1), items);
    for (;;) {
      items.push(value());
      space();
      if (text[at] === ",") at += 1;
      else if (text[at] === "]") return ((at += 1), items);
      else fail();
    }
  }
  function object(): Map<string, Exact> {
    const members = new Map<string, Exact>();
    at += 1;
    space();
    if (text[at] === "}") return ((at += 1), members);
    for (;;) {
      space();
      const name = JSON.parse(take(STRING)) as string;
      space();
      if (text[at] !== ":") fail();
      at += 1;
      members.set(name, value());
      space();
      if (text[at] === ",") at += 1;
      else if (text[at] === "}") return ((at += 1), members);
      else fail();
    }
  }

  const whole = value();
  space();
  if (at !== text.length) fail();
  return whole;
}

function exactly(text: string): number | ExactNumber {
  const number = Number(text);
  return String(number) === text ? number : new ExactNumber(text);
}

/** The text of a value, with its numbers as they were. */
export function writeExact(value: Exact, indent = 2, depth = 0): string {
  if (value instanceof ExactNumber) return value.text;
  const inner = "\n" + " ".repeat(indent * (depth + 1));
  const outer = "\n" + " ".repeat(indent * depth);
  if (Array.isArray(value)) {
    if (!value.length) return "[]";
    const items = value.map((item) => inner + writeExact(item, indent, depth + 1));
    return `[${items.join(",")}${outer}]`;
  }
  if (value instanceof Map) {
    if (!value.size) return "{}";
    const members = [...value].map(
      ([name, item]) => `${inner}${JSON.stringify(name)}: ${writeExact(item, indent, depth + 1)}`,
    );
    return `{${members.join(",")}${outer}}`;
  }
  return JSON.stringify(value);
}
