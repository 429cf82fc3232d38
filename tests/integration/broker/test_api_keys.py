"""API keys and grants in Redis: stored once, revoked for good, read only when something changed."""

from collections.abc import Callable
from typing import Any

import pytest

from shoal.broker.api_keys import ApiKeyStore
from shoal.broker.grants import GrantStore
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.model.api_key import MAX_API_KEYS
from tests.support.builders import Scene
from tests.support.keys import a_key, record_of

KEYS = "{t}:api_keys"


async def test_stored_once(scene: Scene) -> None:
    """The same again changes nothing; another record of the id is refused. The key is nowhere."""
    store = ApiKeyStore(scene.broker)
    record = record_of(a_key())
    assert await store.put(record) == "new"
    first = await store.read()
    assert await store.put(record) == "same"
    assert await store.put(record_of(a_key(), "admin")) == "exists"
    assert (await store.read()) == first
    assert first.keys is not None
    assert [stored.record for stored in first.keys] == [record]
    assert a_key().encode() not in scene.client().hget(KEYS, record.id)


async def test_read_when_something_changed(scene: Scene) -> None:
    """Who knows the epoch is told nothing; each new key and each revoked one makes another."""
    store = ApiKeyStore(scene.broker)
    assert await store.read() == ("none", [])
    seen = {"none"}
    for number in range(3):
        await store.put(record_of(a_key(number)))
        reading = await store.read(min(seen))
        assert reading.epoch not in seen
        seen.add(reading.epoch)
        assert (await store.read(reading.epoch)).keys is None
    assert await store.revoke(record_of(a_key(1)).id) is True
    assert await store.revoke(record_of(a_key(1)).id) is False
    reading = await store.read()
    assert reading.epoch not in seen
    assert len(reading.keys or []) == 2


async def test_last_use(scene: Scene) -> None:
    """Of keys that are there; what was revoked leaves nothing."""
    store = ApiKeyStore(scene.broker)
    used, other = record_of(a_key(1)), record_of(a_key(2))
    await store.put(used)
    await store.put(other)
    before = scene.now_ms()
    await store.note_used([used.id, "zzzzzzzzzz"])
    [stored] = [key for key in (await store.read()).keys or [] if key.used_ms]
    assert stored.record == used
    assert before <= stored.used_ms <= scene.now_ms()
    await store.revoke(used.id)
    assert scene.client().hgetall(f"{KEYS}_used") == {}


async def test_not_more_than_there_may_be(scene7: Scene) -> None:
    """A thousand."""
    scene7.leaves_faults = True
    scene7.client().hset(KEYS, mapping={f"k{n}": "" for n in range(MAX_API_KEYS)})
    assert await ApiKeyStore(scene7.broker).put(record_of(a_key())) == "too_many"


async def test_grants(scene: Scene) -> None:
    """A session is read as often as one likes, a ticket once; both expire, and neither is stored itself."""
    sessions, tickets = GrantStore(scene.broker, "session"), GrantStore(scene.broker, "ticket")
    await sessions.put("secret", b"1", 60)
    await tickets.put("secret", b"2", 60)
    assert [await sessions.read("secret") for _ in range(2)] == [b"1", b"1"]
    assert [await tickets.take("secret") for _ in range(2)] == [b"2", None]
    assert await sessions.read("other") is None
    keys = scene.client().keys("{t}:session:*")
    assert len(keys) == 1
    assert b"secret" not in keys[0]
    assert 50_000 < scene.client().pttl(keys[0]) <= 60_000
    assert await sessions.take("secret") == b"1"
    assert scene.client().keys("{t}:session:*") == []


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (lambda c, i: c.hset(KEYS, i, "{}"), "can't be read"),
        (lambda c, i: c.hset(KEYS, i, c.hget(KEYS, i).replace(b"viewer", b"root")), "a role is"),
        (lambda c, i: c.hset(KEYS, "zzzzzzzzzz", c.hget(KEYS, i)), "of another"),
        (lambda c, i: c.hset(KEYS, i, c.hget(KEYS, i).replace(b'digest":"', b'digest":"x')), "digest"),
        (lambda c, _: c.hset(f"{KEYS}_used", "zzzzzzzzzz", 1), "that is gone"),
    ],
)  # fmt: skip
async def test_verify_finds(scene7: Scene, plant: Callable[..., Any], says: str) -> None:
    """A key that can't be told, and what is kept of one that is gone."""
    scene7.leaves_faults = True
    record = record_of(a_key(), "viewer")
    await ApiKeyStore(scene7.broker).put(record)
    assert (await verify(scene7.broker)).ok
    plant(scene7.client(), record.id)
    [finding] = (await verify(scene7.broker)).findings
    assert finding.code is Code.BAD_API_KEY
    assert says in finding.sentence


async def test_verify_finds_a_session_without_an_end(scene7: Scene) -> None:
    """It must expire."""
    scene7.leaves_faults = True
    store = GrantStore(scene7.broker, "session")
    await store.put("secret", b"{}", 60)
    assert (await verify(scene7.broker)).ok
    scene7.client().persist(scene7.client().keys("{t}:session:*")[0])
    [finding] = (await verify(scene7.broker)).findings
    assert finding.code is Code.UNBOUNDED_KEY


async def test_a_damaged_key_opens_nothing_and_harms_no_other(scene7: Scene) -> None:
    """It is left out."""
    scene7.leaves_faults = True
    store = ApiKeyStore(scene7.broker)
    await store.put(record_of(a_key(1)))
    scene7.client().hset(KEYS, "zzzzzzzzzz", "{}")
    assert [key.record.id for key in (await store.read()).keys or []] == [record_of(a_key(1)).id]
