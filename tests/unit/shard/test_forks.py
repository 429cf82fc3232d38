"""The frames between a shard and its processes."""

import pytest

from shoal.shard.forks_wire import (
    Done,
    Failed,
    Frames,
    FromWorker,
    Run,
    Said,
    ToWorker,
    pack,
)

MESSAGES: list[FromWorker] = [
    Done(b'{"n":9007199254740993}'),
    Failed("ValueError: x", b"{}", "abc", is_final=True, delay_s=None, is_bad_payload=False),
    Said({"fraction": 0.5, "message": "half"}, [("info", "line")]),
]


@pytest.mark.parametrize("piece", [1, 3, 7, 4096])
def test_frames_come_together_from_any_pieces(piece: int) -> None:
    """Whatever a stream brings at once: the same messages in the same order."""
    data = b"".join(pack(message) for message in MESSAGES)
    frames, found = Frames(FromWorker), []
    for at in range(0, len(data), piece):
        found += frames.feed(data[at : at + piece])
    assert found == MESSAGES


def test_a_payload_travels_as_the_bytes_it_is() -> None:
    """No number is rounded and no text is read."""
    run = Run("t", "id", 1, {"a": "b"}, "w-0", b'{"n":123456789012345678901234567890,"x":1.0}')
    assert Frames(ToWorker).feed(pack(run)) == [run]
