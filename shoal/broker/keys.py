"""The names of all keys: one function each, all of a partition inside one hash tag."""

import hashlib

from shoal.model.partition import hash_tag, slot_of

#: The consumer group of every task stream.
GROUP = "shoal"
#: The consumer under which handed-back entries wait, before all others.
RETURNED = "returned"


def workers(namespace: str) -> str:
    """The zset of live workers by their last heartbeat; the registry's other keys stand beside it."""
    return f"{{{namespace}}}:workers"


def worker(namespace: str, name: str) -> str:
    """The hash of one worker's record."""
    return f"{{{namespace}}}:worker:{name}"


def types(namespace: str) -> str:
    """The set of task types ever submitted; that of queues stands beside it."""
    return f"{{{namespace}}}:types"


def schedules(namespace: str) -> str:
    """The zset of schedules by their next tick; their hashes and the set of all ids stand beside it."""
    return f"{{{namespace}}}:schedules"


def api_keys(namespace: str) -> str:
    """The hash of API keys by id; their last use and their epoch stand beside it."""
    return f"{{{namespace}}}:api_keys"


def grant(namespace: str, kind: str, digest: str) -> str:
    """What a session or a ticket allows; the digest is the SHA-256 of what its holder has."""
    return f"{{{namespace}}}:{kind}:{digest}"


def audit(namespace: str) -> str:
    """The capped stream of what operators did."""
    return f"{{{namespace}}}:audit"


def operations(namespace: str) -> str:
    """The zset of operations over many tasks by their start; their hashes stand beside it."""
    return f"{{{namespace}}}:operations"


def rate(namespace: str, digest: str) -> str:
    """The hash of a token bucket; the digest is the SHA-256 of its name."""
    return f"{{{namespace}}}:rate:{digest}"


def series(namespace: str) -> str:
    """The hash of what points of the series were told from; the points and the histograms stand beside it."""
    return f"{{{namespace}}}:series"


def settings(namespace: str) -> str:
    """The hash of what all processes of a namespace agree on."""
    return f"{{{namespace}}}:settings"


def meta(namespace: str) -> str:
    """The hash of the schema's versions."""
    return f"{{{namespace}}}:meta"


def stream_name(queue: str, priority: int, *, isolated: bool = False) -> str:
    """A stream's name inside its partition, as tokens and counters carry it."""
    return f"{queue}:{priority}:isolated" if isolated else f"{queue}:{priority}"


def unique_digest(key: str) -> str:
    """What stands in a key name for a unique key of any length and form."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class PartitionKeys:
    """The keys of one partition of a namespace."""

    __slots__ = ("number", "prefix", "slot")

    def __init__(self, namespace: str, number: int) -> None:
        self.number = number
        self.prefix = f"{{{hash_tag(namespace, number)}}}:"
        self.slot = slot_of(self.prefix)

    @property
    def marker(self) -> str:
        """KEYS[1] of every script; without it the partition does not exist."""
        return self.prefix + "partition"

    @property
    def partition_paused(self) -> str:
        """Since when every script of the partition refuses to work."""
        return self.prefix + "partition_paused"

    def stream(self, name: str) -> str:
        """A stream of entries by its name, see :func:`stream_name`."""
        return f"{self.prefix}stream:{name}"

    def task(self, task_id: str) -> str:
        """A task's hash."""
        return f"{self.prefix}task:{task_id}"

    def done(self, type: str | None = None) -> str:
        """The journal of COMPLETED, of all types or of one."""
        return f"{self.prefix}done:{type}" if type else self.prefix + "done"

    def index(self, state: str, type: str | None = None) -> str:
        """The zset of a state, of all types or of one."""
        return f"{self.prefix}index:{state}:{type}" if type else f"{self.prefix}index:{state}"

    @property
    def scheduled(self) -> str:
        """The zset of ids by due time in ms."""
        return self.prefix + "scheduled"

    @property
    def ready(self) -> str:
        """The hash of ready entries by stream."""
        return self.prefix + "ready"

    @property
    def counts(self) -> str:
        """The hash of exact numbers by state, and by state and type."""
        return self.prefix + "counts"

    @property
    def stats(self) -> str:
        """The hash of counters that only rise."""
        return self.prefix + "stats"

    @property
    def events(self) -> str:
        """The capped stream of what happened, one packed entry a script call."""
        return self.prefix + "events"

    def sleepers(self, queue: str = "*") -> str:
        """The zset of idle incarnations by the time they wake by themselves."""
        return f"{self.prefix}sleepers:{queue}"

    @property
    def beats(self) -> str:
        """The zset of incarnations by their last contact with this partition."""
        return self.prefix + "beats"

    @property
    def contact(self) -> str:
        """The last time any worker was in contact, in ms."""
        return self.prefix + "contact"

    @property
    def grace_until(self) -> str:
        """Before this time (ms) nothing is recovered."""
        return self.prefix + "grace_until"

    def claimed(self, incarnation: str) -> str:
        """An incarnation's last call number and tokens, or ``dead``."""
        return f"{self.prefix}claimed:{incarnation}"

    @property
    def paused(self) -> str:
        """The set of paused queues."""
        return self.prefix + "paused"

    @property
    def isolated_types(self) -> str:
        """The hash of isolated types by when they are so no longer."""
        return self.prefix + "isolated_types"

    @property
    def charges(self) -> str:
        """The zset of deaths that types were charged with during the last minute."""
        return self.prefix + "charges"

    @property
    def queues(self) -> str:
        """The set of queues that have their streams and groups here."""
        return self.prefix + "queues"

    def unique(self, digest: str) -> str:
        """The id that holds a unique key."""
        return f"{self.prefix}unique:{digest}"

    def waiting(self, task_id: str) -> str:
        """The set of parents that a task waits for."""
        return f"{self.prefix}waiting:{task_id}"

    def dependents(self, task_id: str) -> str:
        """The zset of those that wait for a task, by the partition they are in."""
        return f"{self.prefix}dependents:{task_id}"

    @property
    def outbox(self) -> str:
        """The zset of notices by their next try in ms."""
        return self.prefix + "outbox"

    def ended(self, task_id: str) -> str:
        """How a task with parents or dependents ended."""
        return f"{self.prefix}ended:{task_id}"

    @property
    def expiring(self) -> str:
        """The zset of ended tasks with a retention of their own, by when it has passed, in ms."""
        return self.prefix + "expiring"

    def idempotency(self, digest: str) -> str:
        """The id and request that an idempotency key stands for."""
        return f"{self.prefix}idempotency:{digest}"

    def operation(self, operation_id: str, part: str) -> str:
        """How far an operation over many tasks is, for one state or for its ids."""
        return f"{self.prefix}operation:{operation_id}:{part}"

    def signal_channel(self, incarnation: str) -> str:
        """Where one incarnation hears of this partition."""
        return f"{self.prefix}signal:{incarnation}"

    @property
    def urgent_channel(self) -> str:
        """Where every shard hears of HIGH and CRITICAL work that was not there before."""
        return self.prefix + "urgent"

    @property
    def news_channel(self) -> str:
        """Where whoever shows events hears that there are more."""
        return self.prefix + "news"
