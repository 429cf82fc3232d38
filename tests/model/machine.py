"""The machine: what may happen to a partition, in any order. One rule is one step, sometimes a few."""

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from shoal.broker import operator_calls
from shoal.broker.calls import Call
from shoal.broker.results import Blame, Charge, Outcome, OutcomeWord, Submission, Submitted
from shoal.model.attempt import line_tail
from shoal.model.identity import task_id
from tests.model.player import Handle, Player
from tests.model.world import TOMBSTONE_MS

PICK = st.integers(0, 999)
TYPES = ("mail", "mail:big", "report")
QUEUES = ("default", "bulk")
OUTCOMES: tuple[OutcomeWord, ...] = (
    "completed", "completed", "failed", "dead", "cancelled", "returned", "deferred",
)  # fmt: skip
DETAILS = {
    "failed": b"+2000", "deferred": b"+3000", "dead": b"exhausted", "cancelled": b"requested",
    "returned": b"drained",
}  # fmt: skip
WORKERS = 3
T = TypeVar("T")


def _one(pick: int, first: Sequence[T], all_of: Sequence[T]) -> T:
    """Of the first when the pick is even and there is any; else of all."""
    return first[pick // 2 % len(first)] if first and pick % 2 == 0 else all_of[pick % len(all_of)]


class Machine(RuleBasedStateMachine):
    """Workers, clients and operators who know only what they were told."""

    start: ClassVar[Callable[[], Player]]
    done: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.player = Machine.start()
        self.lives = [0] * WORKERS
        self.numbers: dict[str, int] = {}
        self.operations = 0
        self.purges: list[tuple[str, str]] = []
        self.submissions: list[Call[list[Submitted]]] = []

    def teardown(self) -> None:
        """What is left must be sound."""
        Machine.done += self.player.steps
        self.player.verify()

    # -- who and what

    def worker(self, pick: int) -> str:
        """A living incarnation."""
        index = pick % WORKERS
        return f"w-{index}.aaaa{self.lives[index]:02}"

    def some(self, picks: list[int]) -> list[str]:
        """Tasks that were ever submitted; half of them such as are claimed or ready now."""
        ids, tasks = self.player.ids[-40:], self.player.world.tasks
        ready = [task_id for task_id in ids if task_id in tasks and not tasks[task_id].state]
        return list(dict.fromkeys(_one(pick, ready, ids) for pick in picks)) if ids else []

    def handles(self, picks: list[int]) -> list[Handle]:
        """Claims that somebody knows of; half of them such as hold."""
        known, world = self.player.handles[-40:], self.player.world
        held = [handle for handle in known if world.held(handle.token, handle.incarnation)]
        return [_one(pick, held, known) for pick in picks] if known else []

    @initialize(pick=PICK, want=st.integers(2, 8))
    def some_work(self, pick: int, want: int) -> None:
        """Nothing happens to an empty partition."""
        for priority in (1, 2):
            self.submit(4, pick, priority, 0, None, None, [], anyway=False)
        self.claim(pick, want, 0, "", lost=False)

    # -- clients

    @rule(
        n=st.integers(1, 4), pick=PICK, priority=st.sampled_from((1, 1, 0, 2, 3)),
        delay=st.sampled_from((0, 0, 0, 1, 4)), key=st.sampled_from((None, None, None, "k", "l")),
        kept=st.sampled_from((None, None, None, 0, 5)), parents=st.lists(PICK, max_size=2), anyway=st.booleans(),
    )  # fmt: skip
    def submit(
        self, n: int, pick: int, priority: int, delay: int, key: str | None, kept: int | None,
        parents: list[int], anyway: bool,
    ) -> None:  # fmt: skip
        """A batch, each with the same wishes; the parents may be of the batch itself."""
        player = self.player
        tasks: list[Submission] = []
        for k in range(n):
            made = task_id(0, 1_700_000_000_000, len(player.ids) + 1)
            above = tuple(self.some([p + k for p in parents])) if pick % 3 == 0 else ()
            player.ids.append(made)
            tasks.append(
                Submission(
                    made, TYPES[(pick + k) % 3], QUEUES[pick // 3 % 2], priority, b"{}\n1",
                    delay_s=delay or None, unique_key=key, retention_s=kept, parents=above,
                    runs_anyway=anyway and bool(above),
                )
            )  # fmt: skip
        call = player.calls.submit(0, tasks)
        self.submissions.append(call)
        player.play(call)

    @rule(pick=PICK)
    def submit_again(self, pick: int) -> None:
        """A client that had no answer tries again, however late: what it wished for may have ended or be gone."""
        if self.submissions:
            self.player.play(self.submissions[pick % len(self.submissions)])

    @rule(picks=st.lists(PICK, min_size=1, max_size=2))
    def cancel(self, picks: list[int]) -> None:
        """Whatever they do now."""
        if ids := self.some(picks):
            self.player.play(self.player.calls.cancel(0, ids, "requested"))

    @rule(picks=st.lists(PICK, min_size=1, max_size=3), is_new=st.booleans())
    def requeue(self, picks: list[int], is_new: bool) -> None:
        """By a new operation, or by the last one once more."""
        self.operations += is_new
        if ids := self.some(picks):
            operation = f"operation-{self.operations}"
            self.player.play(self.player.calls.requeue(0, ids, operation))

    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def delete(self, picks: list[int]) -> None:
        """Ended tasks."""
        if ids := self.some(picks):
            self.player.play(operator_calls.delete(0, ids, TOMBSTONE_MS))

    @rule(pick=PICK, again=st.booleans())
    def purge(self, pick: int, again: bool) -> None:
        """One stream, or one that has been purged before, up to where it ended then."""
        stream, last = f"{QUEUES[pick % 2]}:{pick // 2 % 4}", ""
        if again and self.purges:
            stream, last = self.purges[pick % len(self.purges)]
        reply = self.player.play(operator_calls.purge(0, stream, "purged", last))
        if reply[1]:
            self.purges.append((stream, reply[1]))

    @rule(pick=PICK, is_pause=st.booleans())
    def pause_or_resume(self, pick: int, is_pause: bool) -> None:
        """A queue, a queue and priority, or all; resumed twice as often."""
        target = ("default", "bulk:1", "*", "default:1")[pick % 4]
        verb = "pause" if is_pause and pick % 2 else "resume"
        self.player.send(verb, target)

    # -- workers

    @rule(pick=PICK, n=st.integers(1, 4), priority=st.integers(0, 3))
    def work(self, pick: int, n: int, priority: int) -> None:
        """Comes, and is taken."""
        self.submit(n, pick, priority, 0, None, None, [], anyway=False)
        self.claim(pick, n, 0, "", lost=False)

    @rule(
        pick=PICK, want=st.integers(0, 8), sleep=st.sampled_from((0, 0, 5)),
        flags=st.sampled_from(("", "", "i", "x")), lost=st.sampled_from((False, False, True)),
    )  # fmt: skip
    def claim(self, pick: int, want: int, sleep: int, flags: str, lost: bool) -> None:
        """The next call; its reply may be lost."""
        worker = self.worker(pick)
        self.numbers[worker] = self.numbers.get(worker, 0) + 1
        self._claim(worker, self.numbers[worker], want, sleep, flags, lost=lost)

    @rule(pick=PICK, back=st.sampled_from((0, 0, 1)), want=st.integers(1, 8))
    def claim_again(self, pick: int, back: int, want: int) -> None:
        """The last call once more, since its reply did not come; or an older copy of one, late."""
        worker = self.worker(pick)
        if number := self.numbers.get(worker):
            self._claim(worker, max(number - back, 1), want, 0, "", lost=False)

    def _claim(
        self, worker: str, number: int, want: int, sleep: int, flags: str, *, lost: bool
    ) -> None:
        player = self.player
        call = player.calls.claim(
            0, worker, number, want, sleep_s=sleep,
            ignore_counters="i" in flags, isolated="x" in flags,
        )  # fmt: skip
        reply = player.play(call)
        if isinstance(reply, list) and not lost:
            player.handles += [Handle(worker, *row) for row in reply[1]]

    @rule(
        picks=st.lists(PICK, min_size=1, max_size=4), words=st.lists(PICK, min_size=4, max_size=4)
    )
    def settle(self, picks: list[int], words: list[int]) -> None:
        """Outcomes of one incarnation: of what it runs, of what it ran, of what it has lost; some twice."""
        handles = self.handles(picks)
        if not handles:
            return
        outcomes = []
        for handle, word in zip(handles, words, strict=False):
            if handle.incarnation != handles[0].incarnation:
                continue
            outcome = OUTCOMES[word % len(OUTCOMES)]
            tail = line_tail(self.player.world.now, 0, outcome, "")
            outcomes.append(
                Outcome(
                    handle.token.encode(), handle.task.encode(), handle.type.encode(), outcome,
                    DETAILS.get(outcome, b""), b"1", tail,
                )
            )  # fmt: skip
        self.player.play(self.player.calls.settle(0, handles[0].incarnation, outcomes))

    @rule(picks=st.lists(PICK, max_size=4), pick=PICK)
    def renew(self, picks: list[int], pick: int) -> None:
        """Some of what it thinks it runs."""
        worker = self.worker(pick)
        mine = [handle for handle in self.handles(picks) if handle.incarnation == worker]
        claims = [(handle.task.encode(), handle.token.encode()) for handle in mine]
        self.player.play(self.player.calls.renew(0, worker, list(dict.fromkeys(claims)), pick))

    @rule(pick=PICK, reason=st.sampled_from(("killed", "killed", "lost", "drained", "retired")))
    def release(self, pick: int, reason: str) -> None:
        """Its supervisor hands back what it had; what it had goes on as a zombie and may still answer."""
        worker = self.worker(pick)
        self.lives[pick % WORKERS] += 1
        self.player.play(self.player.calls.release(0, worker, reason))

    @rule(pick=PICK, charged=st.integers(1, 2))
    def crash(self, pick: int, charged: int) -> None:
        """It died of its own fault while one or two tasks were executing."""
        worker = self.worker(pick)
        mine = [handle for handle in self.player.handles if handle.incarnation == worker][-charged:]
        if not mine:
            return
        self.lives[pick % WORKERS] += 1
        charges = tuple(Charge(0, h.token.encode(), h.type.encode()) for h in mine)
        blame = Blame("killed by SIGSEGV", charges)
        self.player.play(self.player.calls.release(0, worker, "crashed", blame))

    @rule(pick=PICK)
    def vanish(self, pick: int) -> None:
        """Its host is gone: nobody says so, and its name comes back with another nonce."""
        self.lives[pick % WORKERS] += 1

    @rule(pick=PICK, full=st.booleans())
    def recover(self, pick: int, full: bool) -> None:
        """Whoever serves the partition looks for the silent."""
        self.player.play(self.player.calls.recover(0, self.worker(pick), full=full))

    @rule()
    def prune(self) -> None:
        """What is past its retention."""
        self.player.play(self.player.calls.prune(0))

    @rule(pick=PICK, stops=st.booleans())
    def deliver(self, pick: int, stops: bool) -> None:
        """A notice is delivered to the end, or by somebody who dies on the way."""
        if not self.player.world.outbox:
            return
        notice = self.player.world.outbox[pick % len(self.player.world.outbox)]
        _, state, _, parent = notice.split(" ")
        told: list[str] = []
        while True:
            reply = self.player.send("outbox_dependents", notice, "5000", "0", *told)
            if not isinstance(reply, list):
                return
            told = reply[2:]
            self.player.send(
                "resolve", *(word for child in told for word in (parent, state, child))
            )
            if stops:
                return

    # -- the network, the clock, the server

    @rule(pick=PICK)
    def comes_again(self, pick: int) -> None:
        """A copy of an earlier call arrives, with the same arguments, late."""
        if self.player.sent:
            verb, arguments = self.player.sent[-1 - pick % len(self.player.sent)]
            self.player.send(verb, *arguments)

    @rule(seconds=st.sampled_from((1, 1, 1, 2, 4, 4, 7, 61, 90)))
    def time_passes(self, seconds: int) -> None:
        """Up to more than a lease, a minute of charges, a retention."""
        self.player.move_clock(seconds)
        self.player.compare("time passed")

    @rule()
    def clock_goes_back(self) -> None:
        """By five seconds."""
        self.player.move_clock(-5)
        self.player.compare("the clock went back")

    @rule(pick=PICK, seconds=st.sampled_from((1, 4)))
    def server_stands_still(self, pick: int, seconds: int) -> None:
        """SIGSTOP with a claim on its way: it is carried out later, and its reply is lost."""
        worker = self.worker(pick)
        self.numbers[worker] = self.numbers.get(worker, 0) + 1
        call = self.player.calls.claim(0, worker, self.numbers[worker], pick % 5)
        self.player.send_to_stopped(seconds, call)

    @rule()
    def copy_is_taken(self) -> None:
        """A replica falls behind from here on."""
        self.player.keep_copy()

    @rule(is_behind=st.booleans())
    def fails_over(self, is_behind: bool) -> None:
        """It becomes the master, with a clock that may be behind: entry ids come again."""
        if self.player.fail_over():
            if is_behind:
                self.player.move_clock(-5)
            self.player.compare("a failover")

    @rule(picks=st.lists(PICK, min_size=1, max_size=1))
    def hash_is_gone(self, picks: list[int]) -> None:
        """Of a task that is ready or runs, and that nobody waits for."""
        world = self.player.world
        for task in self.some(picks):
            known = world.tasks.get(task)
            if known and known.state is None and not known.has_dependents and not known.unique:
                self.player.drop_hash(task)
                self.player.compare("a hash was taken away")
