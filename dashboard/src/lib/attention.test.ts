import { expect, test } from "vitest";
import { findings } from "./attention";
import type { QueueRow, Snapshot, Worker } from "./types";

const row: QueueRow = {
  queue: "default",
  priority: "NORMAL",
  depth: 0,
  returned: 0,
  isolated: 0,
  paused: false,
  submitted: 0,
  settled: 0,
  oldest_age: 0,
};

function snapshot(queues: QueueRow[], versions: string[]): Snapshot {
  return {
    now: "2026-01-01T00:00:00.000Z",
    version: "1",
    namespace: "shoal",
    partitions: 4,
    states: { PENDING: 0, SCHEDULED: 0, RUNNING: 0, COMPLETED: 0, FAILED: 0, CANCELLED: 0, DEAD: 0 },
    types: {},
    stats: {},
    queues,
    workers: versions.map((version) => ({ version }) as Worker),
    principal: { name: "x", role: "admin" },
  };
}

test("a system that is well has nothing to say", () => {
  expect(findings(snapshot([row], ["1"]), [])).toEqual([]);
});

test("tasks without a worker are worse than no worker", () => {
  expect(findings(snapshot([row], []), [])[0]?.tone).toBe("warn");
  expect(findings(snapshot([{ ...row, depth: 3 }], []), [])[0]?.tone).toBe("bad");
});

test("paused queues, isolated tasks, starved ones and mixed versions are named", () => {
  const low: QueueRow = { ...row, priority: "LOW", depth: 5, oldest_age: 1000 };
  const texts = findings(snapshot([low, { ...row, queue: "mail", depth: 2, paused: true, isolated: 1 }], ["1", "2"]), [])
    .map((finding) => finding.text)
    .join("\n");
  expect(texts).toMatch(/LOW has waited for 16 m/);
  expect(texts).toMatch(/Paused with tasks waiting: mail/);
  expect(texts).toMatch(/1 task waits apart/);
  expect(texts).toMatch(/2 versions/);
});
