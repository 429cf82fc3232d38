import { STATES, type State } from "./types";

/** What the query bar says: `state:failed type:email.send 019ab0…`. */
export interface Filter {
  state?: State;
  type?: string;
  /** A whole task id: go there. */
  id?: string;
  /** Words that mean nothing, each with what to write instead. */
  wrong: string[];
}

const ID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const TYPE = /^[A-Za-z][A-Za-z0-9_.:-]{0,127}$/;

export function parseFilter(text: string): Filter {
  const filter: Filter = { wrong: [] };
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const at = word.indexOf(":");
    const [name, value] = at < 0 ? ["", word] : [word.slice(0, at).toLowerCase(), word.slice(at + 1)];
    if (name === "state") {
      const state = STATES.find((one) => one === value.toUpperCase());
      if (state) filter.state = state;
      else filter.wrong.push(`There is no state “${value}”: it is one of ${STATES.join(", ").toLowerCase()}.`);
    } else if (name === "id" || (name === "" && ID.test(value))) {
      if (ID.test(value)) filter.id = value.toLowerCase();
      else filter.wrong.push(`“${value}” is no whole task id.`);
    } else if (name === "type" || name === "") {
      if (TYPE.test(value)) filter.type = value;
      else filter.wrong.push(`“${value}” can be no task type.`);
    } else {
      filter.wrong.push(`“${name}:” is not known: write state:, type: or id:.`);
    }
  }
  return filter;
}

export function writeFilter(filter: Pick<Filter, "state" | "type">): string {
  const words = [];
  if (filter.state) words.push(`state:${filter.state.toLowerCase()}`);
  if (filter.type) words.push(`type:${filter.type}`);
  return words.join(" ");
}

/** What may come next in the bar. */
export function completions(text: string, types: readonly string[]): string[] {
  const word = text.slice(text.lastIndexOf(" ") + 1).toLowerCase();
  const before = text.slice(0, text.length - word.length);
  const all = [
    ...STATES.map((state) => `state:${state.toLowerCase()}`),
    ...types.map((type) => `type:${type}`),
  ];
  return all
    .filter((one) => one !== word && (one.toLowerCase().startsWith(word) || (word.length > 1 && one.toLowerCase().includes(word))))
    .slice(0, 12)
    .map((one) => before + one);
}
