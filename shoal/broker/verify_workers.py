"""Consumers and sleepers are incarnations that `beats` knows, and no silent one is forgotten."""

from shoal.broker.keys import RETURNED
from shoal.broker.verify_report import Code
from shoal.broker.verify_walk import Walk, rows_of


async def check_workers(walk: Walk) -> None:
    """Compare beats, sleepers and consumers, read at one instant."""
    now, contact, grace_until, beats, sleepers, consumers = await walk.script("verify_workers")
    stamps = {name.decode(): int(at) for name, at in rows_of(beats, 2)}
    for queue, name, at in rows_of(sleepers, 3):
        if name.decode() not in stamps:
            late = now - int(at)
            when = f"{late} ms past its time" if late > 0 else f"until in {-late} ms"
            walk.find(
                Code.WITHOUT_BEAT,
                f"sleepers:{queue.decode()}",
                f"{name.decode()} sleeps here ({when}), and `beats` does not know it",
                name.decode(),
            )
    for stream, name, pending in rows_of(consumers, 3):
        if name != RETURNED.encode() and name.decode() not in stamps:
            walk.find(
                Code.WITHOUT_BEAT,
                f"stream:{stream.decode()}",
                f"the consumer {name.decode()} has {pending} pending, and `beats` does not know it",
                name.decode(),
            )
    # With nobody in contact, or in the grace after an outage, silence says nothing.
    if now - contact > walk.lease_ms or now < grace_until + 3 * walk.lease_ms:
        return
    for name, at in stamps.items():
        if now - at > 3 * walk.lease_ms:
            walk.find(
                Code.SILENT,
                "beats",
                f"{name} was heard {now - at} ms ago, and nobody has recovered it",
                name,
            )
