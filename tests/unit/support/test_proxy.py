"""The proxy makes the faults it names, and only those."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.proxy import Proxy
from tests.support.waiting import wait_until, wait_until_async


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    """A server that sends back what it gets, one thread a connection; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in (accepting, *threads):
        thread.join()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before an echo server."""
    with echo_server() as port, Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection through the proxy on which an echo has come back."""
    with connect(proxy) as connection:
        assert echo(connection, b"hello") == b"hello"
        yield connection


def connect(proxy: Proxy) -> socket.socket:
    """A new connection through the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def echo(connection: socket.socket, data: bytes) -> bytes:
    """Send, and receive as many bytes."""
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection: socket.socket, size: int) -> bytes:
    """Receive ``size`` bytes, or fewer at the end of the stream."""
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received


def is_silent(connection: socket.socket) -> bool:
    """Whether nothing at all can be read at this moment."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(5)
    return False


def test_everything_passes_unchanged(client: socket.socket) -> None:
    """A megabyte comes back as it was sent."""
    data = bytes(range(256)) * 4096
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    assert receive(client, len(data)) == data
    sender.join()


def test_end_of_stream_passes(proxy: Proxy, client: socket.socket) -> None:
    """A client that stops sending gets the rest of its replies and then the end."""
    client.sendall(b"last")
    client.shutdown(socket.SHUT_WR)
    assert receive(client, 100) == b"last"
    wait_until(lambda: proxy.connections == 0, "the connection is forgotten")


def test_delay_is_at_least_what_was_asked(proxy: Proxy, client: socket.socket) -> None:
    """Delays of both directions add up, and end with zero."""
    proxy.delay(60, "requests")
    proxy.delay(60, "replies")
    began = time.monotonic()
    assert echo(client, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.12
    proxy.delay(0, "requests")
    proxy.delay(0)
    assert echo(client, b"fast") == b"fast"


def test_held_replies_come_in_order_when_released(proxy: Proxy, client: socket.socket) -> None:
    """The server acts while its replies are held; nothing is lost."""
    proxy.hold_replies()
    client.sendall(b"one")
    wait_until(lambda: proxy.held_bytes("replies") == 3, "the first reply is held")
    client.sendall(b"two")
    wait_until(lambda: proxy.held_bytes("replies") == 6, "both replies are held")
    assert is_silent(client)
    proxy.release_replies()
    assert receive(client, 6) == b"onetwo"
    assert proxy.held_bytes("replies") == 0


def test_held_requests_do_not_reach_the_server(proxy: Proxy, client: socket.socket) -> None:
    """While requests are held the server has seen nothing of them."""
    proxy.hold_requests()
    client.sendall(b"one")
    wait_until(lambda: proxy.held_bytes("requests") == 3, "the request is held")
    assert proxy.passed_bytes("requests") == len(b"hello")
    proxy.release_requests()
    assert receive(client, 3) == b"one"


def test_black_hole_swallows_and_heal_resets(proxy: Proxy, client: socket.socket) -> None:
    """Bytes vanish without an error; a stream that lost some is reset when it heals."""
    proxy.black_hole("replies")
    client.sendall(b"into the void")
    wait_until(lambda: proxy.passed_bytes("requests") == 18, "the server has got the request")
    assert is_silent(client)
    with connect(proxy) as other:
        proxy.black_hole()
        wait_until(lambda: proxy.connections == 2, "new connections are accepted")
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert echo(other, b"lost nothing") == b"lost nothing"


def test_cut_after_passes_so_many_bytes(proxy: Proxy, client: socket.socket) -> None:
    """A reply is cut in its middle, and the connection reset."""
    proxy.cut_after(4)
    client.sendall(b"0123456789")
    assert client.recv(4) == b"0123"
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    proxy.heal()
    with connect(proxy) as again:
        assert echo(again, b"0123456789") == b"0123456789"


def test_reset_ends_connections_and_takes_new_ones(proxy: Proxy, client: socket.socket) -> None:
    """After a reset the old connection is dead and a new one works."""
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connect(proxy) as again:
        assert echo(again, b"hello") == b"hello"


def test_down_refuses_until_up(proxy: Proxy, client: socket.socket) -> None:
    """While down, connections are refused as by a dead server."""
    proxy.down()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.up()
    with connect(proxy) as again:
        assert echo(again, b"hello") == b"hello"


def test_unreachable_server_resets_the_client() -> None:
    """With nothing behind it the proxy accepts and resets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with Proxy(bound.getsockname()[1]) as proxy:
            # The reset may overtake the end of the connecting.
            with pytest.raises(ConnectionResetError), connect(proxy) as client:
                client.recv(1)
            wait_until(lambda: proxy.accepted == 1, "it was accepted")


async def test_usable_from_an_event_loop(proxy: Proxy) -> None:
    """Faults can be made from the loop whose client suffers them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.hold_replies()
    writer.write(b"hello")
    await wait_until_async(lambda: proxy.held_bytes("replies") == 5, "the reply is held")
    proxy.release_replies()
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
