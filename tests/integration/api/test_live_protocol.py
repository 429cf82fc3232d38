"""What a WebSocket is by RFC 6455, frame by frame; and clients that are slow, rude or too many."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.api import KEY, Api, running_api
from tests.support.keys import SECRET, token
from tests.support.live import LiveClient, live_client
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Raw:
    """A connection whose frames are written byte by byte."""

    def __init__(self, api: Api, **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", api.ports.public), timeout=15)
        lines = {
            "Host": f"127.0.0.1:{api.ports.public}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
            "X-API-Key": KEY,
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.socket.sendall(f"GET /ws HTTP/1.1\r\n{head}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def send(
        self, data: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bool = True, rsv: int = 0
    ) -> None:
        """One frame."""
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        size = len(data)
        bit = 0x80 if mask else 0
        if size < 126:
            head = struct.pack("!BB", first, bit | size)
        elif size < 65536:
            head = struct.pack("!BBH", first, bit | 126, size)
        else:
            head = struct.pack("!BBQ", first, bit | 127, size)
        if mask:
            key = os.urandom(4)
            data = key + bytes(byte ^ key[at % 4] for at, byte in enumerate(data))
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(head + data)

    def frame(self) -> tuple[int, bytes]:
        """The next frame that the server sends: opcode and data; (-1, b"") = it closed the connection."""
        try:
            head = self.file.read(2)
            if len(head) < 2:
                return -1, b""
            size = head[1] & 0x7F
            if size == 126:
                size = struct.unpack("!H", self.file.read(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self.file.read(8))[0]
            return head[0] & 0x0F, self.file.read(size)
        except ConnectionError:
            return -1, b""

    def code(self) -> int:
        """The code with which the server closes; 1006 = without any."""
        while True:
            opcode, data = self.frame()
            if opcode == CLOSE:
                return int(struct.unpack("!H", data[:2])[0]) if data else 1005
            if opcode == -1:
                return 1006

    def reply(self, kind: str) -> Any:
        """The next document of this kind."""
        while True:
            opcode, data = self.frame()
            assert opcode == TEXT, (opcode, data)
            document = json.loads(data)
            if document["kind"] == kind:
                return document

    def close(self) -> None:
        """Hang up."""
        self.file.close()
        self.socket.close()


@pytest.fixture
def raw(api: Api) -> Iterator[Raw]:
    """A connection that is open."""
    connection = Raw(api)
    assert connection.status == 101
    yield connection
    connection.close()


ASK = b'{"op":"ping","data":1}'

#: Sends something; the code with which the server must close.
VIOLATIONS: dict[str, tuple[list[dict[str, Any]], set[int]]] = {
    "unmasked": ([{"data": ASK, "mask": False}], {1002, 1006}),
    "rsv1": ([{"data": ASK, "rsv": 4}], {1002}),
    "rsv2": ([{"data": ASK, "rsv": 2}], {1002}),
    "rsv3": ([{"data": ASK, "rsv": 1}], {1002}),
    "opcode 3": ([{"data": b"", "opcode": 3}], {1002}),
    "opcode 7": ([{"data": b"", "opcode": 7}], {1002}),
    "opcode 11": ([{"data": b"", "opcode": 11}], {1002}),
    "opcode 15": ([{"data": b"", "opcode": 15}], {1002}),
    "long ping": ([{"data": b"x" * 126, "opcode": PING}], {1002}),
    "ping in parts": ([{"data": b"", "opcode": PING, "fin": False}], {1002}),
    "close in parts": ([{"data": b"", "opcode": CLOSE, "fin": False}], {1002}),
    "continuation of nothing": ([{"data": b"x", "opcode": 0}], {1002}),
    "text within text": ([{"data": b"{", "fin": False}, {"data": b"}"}], {1002}),
    "close of one byte": ([{"data": b"x", "opcode": CLOSE}], {1002}),
    "close with 999": ([{"data": struct.pack("!H", 999), "opcode": CLOSE}], {1002}),
    "close with 1005": ([{"data": struct.pack("!H", 1005), "opcode": CLOSE}], {1002}),
    "close reason no UTF-8": ([{"data": b"\x03\xe8\xff", "opcode": CLOSE}], {1007}),
    "no UTF-8": ([{"data": b'{"op":"\xff"}'}], {1007}),
    "no UTF-8 over parts": (
        [{"data": b"\xce", "fin": False}, {"data": b"\xff", "opcode": 0}],
        {1007},
    ),
    "surrogate": ([{"data": b"\xed\xa0\x80"}], {1007}),
    "too long": ([{"data": b"x" * 70_000}], {1009}),
    "too long in parts": (
        [{"data": b"x" * 40_000, "fin": False}, {"data": b"x" * 40_000, "opcode": 0}],
        {1009},
    ),
    "binary": ([{"data": b"{}", "opcode": BINARY}], {1003}),
    "an empty binary": ([{"data": b"", "opcode": BINARY}], {1003}),
    "a normal close": ([{"data": struct.pack("!H", 1000), "opcode": CLOSE}], {1000}),
    "a close without code": ([{"data": b"", "opcode": CLOSE}], {1000, 1005}),
    "a close of one's own": ([{"data": struct.pack("!H", 4999), "opcode": CLOSE}], {4999, 1000}),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_the_end_that_the_rfc_asks_for(raw: Raw, name: str) -> None:
    """What no client may send ends the connection with the code for it, and nothing else."""
    frames, codes = VIOLATIONS[name]
    for frame in frames:
        raw.send(**frame)
    assert raw.code() in codes


def test_what_is_allowed_is_understood(raw: Raw, api: Api) -> None:
    """Parts, empty parts, a ping between parts, unasked pongs, and every way to write a length."""
    raw.send(ASK[:5], fin=False)
    raw.send(b"", opcode=0, fin=False)
    raw.send(b"hello", opcode=PING)
    raw.send(ASK[5:], opcode=0)
    seen = [raw.frame() for _ in range(3)]
    assert (PONG, b"hello") in seen
    assert any(opcode == TEXT and b'"pong"' in data for opcode, data in seen)
    raw.send(b"unasked", opcode=PONG)
    raw.send(b"", opcode=PING)
    assert raw.frame() == (PONG, b"")
    for padding in (0, 125, 126, 1000, 60_000):
        raw.send(ASK + b" " * padding)
        assert raw.reply("pong")["data"] == 1
    raw.send('{"op":"ping","data":"κόσμε"}'.encode())
    assert raw.reply("pong")["data"] == "κόσμε"


GARBAGE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"sub"',
    b'{"op":"fly"}',
    b'{"op":"sub"}',
    b'{"op":"sub","topic":"x"}',
    b'{"op":"sub","topic":7}',
    b'{"op":"sub","topic":"feed","more":1}',
    b'{"op":"sub","topic":"feed","mode":"all"}',
    b'{"op":"sub","topic":"feed","since":"!"}',
    b'{"op":"sub","topic":"feed","filter":{"queues":7}}',
    b'{"op":"sub","topic":"task:1"}',
    b'{"op":"sub","topic":"task:"}',
    b'{"op":"ping","data":NaN}',
    b"[" * 30_000,
    b'{"op":"ping","data":"' + b"x" * 2000 + b'"}',
]


@pytest.mark.parametrize("message", GARBAGE, ids=lambda m: m[:40].decode())
def test_garbage_is_answered(raw: Raw, message: bytes) -> None:
    """By an error; the connection goes on."""
    raw.send(message)
    error = raw.reply("error")["data"]
    assert error["code"] in {"invalid_json", "invalid_message", "unknown_topic", "invalid_cursor"}
    assert error["detail"]
    raw.send(ASK)
    raw.reply("pong")


def test_too_much_garbage_ends_it(raw: Raw) -> None:
    """The tenth message that is not understood closes the connection."""
    for _ in range(10):
        raw.send(b"?")
    assert raw.code() == 1008


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": ""},
        {"Upgrade": "h2c"},
        {"Connection": "close"},
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Version": ""},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "short"},
    ],
)
def test_what_is_no_handshake_is_refused(api: Api, headers: dict[str, str]) -> None:
    """As 400, before anything is sent."""
    connection = Raw(api, **headers)
    assert connection.status in (400, 426)
    connection.close()


def test_topics_are_bounded(raw: Raw) -> None:
    """The 65th is refused; after an unsubscription there is room again."""
    ids = [f"0190{n:04x}-0000-7000-8000-000000000000" for n in range(65)]
    for n, task in enumerate(ids):
        raw.send(json.dumps({"op": "sub", "topic": f"task:{task}"}).encode())
        if n < 64:
            raw.reply("subscribed")
    assert raw.reply("error")["data"]["code"] == "too_many_topics"
    raw.send(json.dumps({"op": "unsub", "topic": f"task:{ids[0]}"}).encode())
    raw.reply("unsubscribed")
    raw.send(json.dumps({"op": "sub", "topic": f"task:{ids[64]}"}).encode())
    raw.reply("subscribed")


def has_events(client: LiveClient, number: int) -> bool:
    """Whether so many came."""
    return len(client.events()) == number


async def test_a_stalled_client_is_closed_and_holds_nobody_up(api: Api) -> None:
    """With 4008 within seconds, while another gets every event."""
    stalled = Raw(api)
    stalled.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.send(b'{"op":"sub","topic":"feed","mode":"every"}')
    stalled.reply("subscribed")
    async with live_client(api.ports) as client:
        await client.sub("feed", mode="every")
        batch = [{"type": "x" * 100, "payload": n} for n in range(1000)]
        total = 0
        for _ in range(15):
            answer = await asyncio.to_thread(api.batch, *batch)
            total += int(answer.json["accepted"])
            await wait_until_async(partial(has_events, client, total), "the other has all", 10)
        assert not any(frame.get("dropped") for frame in client.of("events"))
    code = await asyncio.to_thread(stalled.code)
    assert code in (4008, 1006)
    stalled.close()


async def test_the_right_to_be_here_expires(proven: RedisServer) -> None:
    """A socket opened with a token is closed with 4401 when that ends, and says before when."""
    with running_api(proven.url, env={"JWT_SECRET": SECRET}) as api:
        headers = {"Authorization": f"Bearer {token('viewer', 2)}"}
        async with live_client(api.ports, headers=headers, key=None) as client:
            assert client.of("hello")[0]["data"]["expires_at"] is not None
            assert await client.closed() == 4401


async def test_the_end_of_the_process_is_said(proven: RedisServer) -> None:
    """SIGTERM closes every socket with 1001 at once."""
    with running_api(proven.url) as api:
        async with live_client(api.ports) as client:
            await client.sub("feed")
            began_s = time.monotonic()
            api.process.send(signal.SIGTERM)
            assert await client.closed() == 1001
            assert api.process.wait() == 0
            assert time.monotonic() - began_s < 5
