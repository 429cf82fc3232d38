"""The floor: as many tasks through bare stream commands, with the same client and batch sizes.

XADD, XREADGROUP, XACK and XDEL, pipelined, and nothing recorded: no state, no history, no result,
no counter. It says what of Shoal's figures is the price of streams, sockets and Python themselves.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final

import msgspec
import redis
import uvloop

from loadtest.cells import Cell
from loadtest.figures import Figure, per_task_us, rate
from loadtest.probe import ServerProbe
from loadtest.workload import BATCH, PARTITIONS, PAYLOAD, PRIORITIES, TYPES
from shoal.broker.address import parse_url
from shoal.broker.connection import Connection, connect
from shoal.settings.redis import RedisSettings

ABOUT: Final = "bare pipelined XADD, XREADGROUP, XACK, XDEL, same client and batch sizes"
GROUP: Final = "floor"
READ: Final = ("XREADGROUP", "GROUP", GROUP)
IN_FLIGHT: Final = 4
MOST_A_CALL: Final = 256
TIMEOUT_S: Final = 30.0
STREAMS: Final = [
    f"{{floor:{n}}}:{priority}" for n in range(PARTITIONS) for priority in range(PRIORITIES)
]


class Consumed(msgspec.Struct):
    """What one consumer process did: ``first`` and ``last`` are ``time.monotonic()`` seconds."""

    tasks: int
    first: float
    last: float
    cpu_s: float


def fill(url: str, tasks: int) -> dict[str, Figure]:
    """Add the tasks, 200 XADDs a round trip, from this process; the submit floor.

    Args:
        url: A server; the floor's streams are removed from it first.
        tasks: How many.
    """
    with redis.Redis.from_url(url, protocol=2) as client:
        client.delete(*STREAMS)
        for stream in STREAMS:
            client.xgroup_create(stream, GROUP, "0", mkstream=True)
    with ServerProbe(url) as probe:
        before, cpu, start = probe.read(), time.process_time(), time.perf_counter()
        uvloop.run(_add(url, tasks))
        seconds, spent, after = time.perf_counter() - start, time.process_time() - cpu, probe.read()
    return {
        "tasks": tasks,
        "tasks_per_s": rate(tasks, seconds),
        "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, tasks),
        "client_us_per_task": per_task_us(spent, tasks),
        "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / tasks),
        "bytes_per_pending_task": round((after.used_memory - before.used_memory) / tasks),
    }


def drain(url: str, cell: Cell) -> dict[str, Figure]:
    """Read, acknowledge and delete what :func:`fill` added, with the cell's processes and batches.

    Forks; so the caller must have no event loop and no thread.
    """
    with ServerProbe(url) as probe:
        before = probe.read()
        consumers = _run_consumers(url, cell)
        after = probe.read()
    tasks = sum(consumer.tasks for consumer in consumers)
    seconds = max(c.last for c in consumers) - min(c.first for c in consumers)
    return {
        "name": cell.name,
        "tasks": tasks,
        "tasks_per_s": rate(tasks, seconds),
        "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, tasks),
        "shard_us_per_task": per_task_us(sum(consumer.cpu_s for consumer in consumers), tasks),
        "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / max(tasks, 1)),
    }


def erase(url: str) -> None:
    """Remove the streams from a server that goes on living."""
    with redis.Redis.from_url(url, protocol=2) as client:
        client.unlink(*STREAMS)


async def ping_s(url: str, count: int) -> list[float]:
    """Seconds of so many round trips that do nothing, one after the other."""
    connection = await _connect(url)
    took_s = []
    for _ in range(count):
        began = time.perf_counter()
        _checked(await connection.call("PING"))
        took_s.append(time.perf_counter() - began)
    connection.abort("done")
    await connection.closed
    return took_s


async def _connect(url: str) -> Connection:
    address, _ = parse_url(RedisSettings(url=url))
    return await connect(address, TIMEOUT_S, "loadtest")


async def _add(url: str, tasks: int) -> None:
    connection = await _connect(url)
    starts = iter(range(0, tasks, BATCH))

    async def add() -> None:
        for start in starts:
            first = start // BATCH % PARTITIONS * PRIORITIES
            replies = [
                connection.call(
                    *("XADD", STREAMS[first + k % PRIORITIES], "*"),
                    *("i", os.urandom(18).hex(), "y", TYPES[k % len(TYPES)], "p", PAYLOAD),
                )
                for k in range(min(BATCH, tasks - start))
            ]
            for reply in replies:
                _checked(await reply)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(add())
    connection.abort("done")
    await connection.closed


def _checked(reply: Any) -> Any:
    """Pass a reply on; the connection hands error replies out as values."""
    if isinstance(reply, Exception):
        raise reply
    return reply


def _run_consumers(url: str, cell: Cell) -> list[Consumed]:
    go_read, go_write = os.pipe()
    pipes: list[int] = []
    pids: list[int] = []
    for index in range(cell.shards):
        back_read, back_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            _child(url, cell, index, go_read, back_write)
        os.close(back_write)
        pipes.append(back_read)
        pids.append(pid)
    os.close(go_read)
    for pipe in pipes:
        os.read(pipe, 1)
    # Closing the last write end lets all the children go at the same moment.
    os.close(go_write)
    answers = []
    for pipe, pid in zip(pipes, pids, strict=True):
        with os.fdopen(pipe, "rb") as back:
            answers.append(msgspec.json.decode(back.read(), type=Consumed))
        os.waitpid(pid, 0)
    return answers


def _child(url: str, cell: Cell, index: int, go: int, back: int) -> None:
    status = 1
    try:
        os.write(back, msgspec.json.encode(uvloop.run(_consume(url, cell, index, go, back))))
        status = 0
    finally:
        os._exit(status)


async def _consume(url: str, cell: Cell, index: int, go: int, back: int) -> Consumed:
    connection = await _connect(url)
    batch, consumer = min(cell.concurrency, MOST_A_CALL), f"consumer-{index}"
    os.write(back, b"R")
    os.read(go, 1)
    cpu, first, last, tasks = time.process_time(), time.monotonic(), 0.0, 0
    at, empty = index % len(STREAMS), 0
    leaving: list[asyncio.Future[Any]] = []
    while empty < len(STREAMS):
        stream = STREAMS[at]
        found = _checked(
            await connection.call(*READ, consumer, "COUNT", batch, "STREAMS", stream, ">")
        )
        for reply in leaving:
            _checked(await reply)
        if not found:
            at, empty, leaving = (at + 1) % len(STREAMS), empty + 1, []
            continue
        empty = 0
        entries = [entry[0] for entry in found[0][1]]
        tasks += len(entries)
        # Not awaited before the next read: what leaves shares its round trip, as settle does.
        leaving = [
            connection.call("XACK", stream, GROUP, *entries),
            connection.call("XDEL", stream, *entries),
        ]
        last = time.monotonic()
    spent = time.process_time() - cpu
    connection.abort("done")
    await connection.closed
    return Consumed(tasks, first, last, spent)
