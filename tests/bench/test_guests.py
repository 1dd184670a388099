"""Short requests beside a long one, against servers that are not ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from spatz.bench.client import Client
from spatz.bench.guests import Guests, percentile
from spatz.errors import SpatzError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
TEXT = b'data: {"choices": [{"delta": {"content": "yes"}}]}\n\n'
USAGE = (
    b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, '
    b'"prompt_tokens_details": {"cached_tokens": 0}, "spatz": {"mode": "exact"}}}\n\ndata: [DONE]\n\n'
)


@contextmanager
def answering(*said: bytes) -> Iterator[Callable[[], Client]]:
    """A server that says this to every request, and no more; without anything it only listens."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"}" not in data and (part := connection.recv(65_536)):
                    data += part
                for piece in said:
                    connection.sendall(piece)
                if not said:
                    connection.recv(1)  # until the client leaves

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield lambda: Client("127.0.0.1", listener.getsockname()[1], "m", 30.0)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30)


def test_percentiles() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 95) == 95.0
    assert percentile(values, 50) == 50.0
    assert percentile([3.0], 95) == 3.0
    assert percentile([1.0, 2.0, 3.0], 95) == 3.0


def test_answers_are_timed() -> None:
    with answering(HEAD, TEXT, USAGE) as connect:
        with closing(Guests(connect, lambda: "one")) as alone:
            assert alone.once() > 0
        asked = threading.Event()

        def prompt() -> str:
            asked.set()
            return "again"

        with Guests(connect, prompt) as guests:
            assert asked.wait(30)
        assert guests.seconds, "what was under way is waited for"
        assert min(guests.seconds) > 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",), "the server answered 503: busy"),
        ((HEAD, b'data: {"error": {"message": "too much"}}\n\n'), "broke an answer off: too much"),
        ((HEAD, TEXT), "without text or usage"),
        ((HEAD, USAGE), "without text or usage"),
        ((b"nonsense\r\n\r\n",), "the server does not answer"),
    ],
)
def test_a_failure_is_raised_where_the_block_ends(said: tuple[bytes, ...], words: str) -> None:
    with answering(*said) as connect:
        failed = threading.Event()

        def prompt() -> str:
            failed.set()
            return "hello"

        with pytest.raises(SpatzError, match="a short request failed") as error, Guests(connect, prompt):
            assert failed.wait(30)
        assert words in str(error.value)


def test_the_next_does_not_wait_for_an_answer() -> None:
    """Nobody is answered, and more than one comes; then an error ends all of them."""
    asked = threading.Semaphore(0)

    def prompt() -> str:
        asked.release()
        return "hello"

    with answering() as connect, pytest.raises(KeyError), Guests(connect, prompt):
        assert asked.acquire(timeout=30)
        assert asked.acquire(timeout=30)
        raise KeyError
