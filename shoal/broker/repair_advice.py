"""What `shoal verify --repair` does about each kind of finding, in words; or why it does nothing."""

from collections.abc import Mapping
from types import MappingProxyType

from shoal.broker.verify_report import Code

#: What is done about a finding, once it has been judged anew.
MENDED: Mapping[Code, str] = MappingProxyType(
    {
        Code.ENTRY_WITHOUT_TASK: "the entry leaves the stream",
        Code.ENTRY_OF_IDLE_TASK: "the entry leaves the stream",
        Code.SECOND_ENTRY: "the entry leaves the stream, or the task takes it when its own is lost",
        Code.BAD_ENTRY: "the entry leaves the stream",
        Code.PENDING_WITHOUT_ENTRY: "the row leaves the pending list",
        Code.TASK_WITHOUT_ENTRY: "the task gets a new entry, at the end of its stream, and runs again",
        Code.NOT_ISOLATED: "the task moves to the isolated stream, unless it runs just now",
        Code.INDEX_MISSING: "the task is put into the index",
        Code.INDEX_WRONG: "the member leaves the index, or gets its right time",
        Code.BAD_NOTES: "the damaged log or progress report is removed",
        Code.UNIQUE_ORPHAN: "the unique key is freed",
        Code.UNIQUE_NOT_HELD: "the task takes its unique key, unless another has a right to it",
        Code.UNBOUNDED_KEY: "the key gets its expiry",
        Code.NO_GROUP: "the group is made again, from the first entry: what ran from there runs again",
        Code.QUEUE_UNLISTED: "the queue is listed",
        Code.READY_DIFFERS: "`ready` is recounted",
        Code.COUNTS_DIFFER: "`counts` is recounted",
        Code.JOURNAL_MISSING: "the task is put at the end of the journal",
        Code.JOURNAL_REPEATED: "the later entry is written again without it",
        Code.JOURNAL_DIFFERS: "the entry is written again, in both journals",
        Code.BAD_JOURNAL: "the entry is removed; what only it named is put at the end of the journal",
        Code.WAITING_WRONG: "it waits no more, or is due no more",
        Code.WAITING_LOST: "a notice asks the other task again",
        Code.NOTICE_MISSING: "a notice tells the dependents",
        Code.BAD_NOTICE: "what is no notice is removed",
        Code.BAD_DEPENDENT: "the member is put right, or removed when it is no task",
        Code.WITHOUT_BEAT: "it is removed; a consumer that has tasks is recovered a lease later",
    }
)

#: What has no one right answer, and what to do about it.
LEFT: Mapping[Code, str] = MappingProxyType(
    {
        Code.BAD_TASK: "nothing says what it was: submit it again if you know it, then delete the key",
        Code.WRONG_TYPE: "another program wrote the key: look at it, then delete it and repair again",
        Code.TYPE_DIFFERS: "find out which type is right; settle the task by cancelling or deleting it",
        Code.SILENT: "start a worker, or wait: any live worker recovers it once the grace is over",
        Code.BAD_OPERATION: "repeat the operation under a new id",
        Code.BAD_API_KEY: "revoke the key, and make a new one",
        Code.BAD_AUDIT: "keep what it says: somebody wrote into the log; it is trimmed with the others",
        Code.BAD_SERIES: "remove the entry or field that is named; only charts lack it",
        Code.BAD_SCHEDULE: "put the schedule again, or remove it",
        Code.UNKNOWN_KEY: "another program or a newer Shoal wrote it: look at it before you delete it",
        Code.UNREADABLE: "a key has a wrong type, see the other findings; else look into the server's log",
        Code.UNSERVED_PARTITION: "serve as many partitions as before, or move its tasks by hand",
    }
)

#: What to do when a finding of a kind that is mended stands all the same.
STUBBORN: Mapping[Code, str] = MappingProxyType(
    {
        Code.UNIQUE_NOT_HELD: "another task has its unique key by right: cancel one of the two",
        Code.WAITING_LOST: "it waits for what is no task: cancel it and submit it again",
        Code.NOT_ISOLATED: "it runs just now: repair again when that has ended",
        Code.COUNTS_DIFFER: "the partition did not stand still: repair again, or pause its queues first",
    }
)


def advice(code: Code) -> str:
    """What people can do about a finding that stands after a repair."""
    return LEFT.get(code) or STUBBORN.get(code) or "repair again when less is going on"


def is_mended(code: Code) -> bool:
    """Whether a repair has an answer to findings of this kind."""
    return code in MENDED
