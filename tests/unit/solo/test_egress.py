"""The guard: nothing gets out but to loopback and to what is allowed, whichever way a library takes."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from solo.egress import GUARD, EgressRefused, Endpoint, EndpointInvalid, enforced, guarded, loop_factory
from solo.egress.guard import MOST_PINS
from solo.errors import SoloError

FOUR, SIX, NAME = "192.0.2.1", "2001:db8::1", "somebody.invalid"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": loop_factory(),
    "asyncio": guarded(asyncio.SelectorEventLoop),
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    def forget() -> None:
        GUARD.total, GUARD.on_refused = 0, None
        GUARD._refused.clear()

    forget()
    yield
    while _DOORS:
        _DOORS.pop().close()
    assert not GUARD.enforcing and GUARD.allowed() == ()
    forget()


@pytest.fixture(autouse=True)
def no_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the guard fail, still no name server is asked: the test fails instead."""
    monkeypatch.setenv("RES_OPTIONS", "attempts:1 timeout:1")


def on(loop: str, work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(20):
            return await work()

    with enforced(), asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(main())


def refused(loop: str, work: Callable[[], Awaitable[Any]]) -> EgressRefused:
    with pytest.raises(EgressRefused) as caught:
        on(loop, work)
    return caught.value


def running() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def datagrams(**named: Any) -> Awaitable[Any]:
    return running().create_datagram_endpoint(asyncio.DatagramProtocol, **named)


def door(kind: int = socket.SOCK_STREAM) -> socket.socket:
    one = socket.socket(socket.AF_INET, kind)
    one.setblocking(False)
    _DOORS.append(one)
    return one


_DOORS: list[socket.socket] = []


WAYS: dict[str, Callable[[], Awaitable[Any]]] = {
    "a number": lambda: asyncio.open_connection(FOUR, 443),
    "IPv6": lambda: asyncio.open_connection(SIX, 443),
    "IPv4 inside IPv6": lambda: asyncio.open_connection(f"::ffff:{FOUR}", 443),
    "link-local": lambda: asyncio.open_connection("fe80::1%1", 443),
    "anything at all": lambda: asyncio.open_connection("0.0.0.0", 443),
    "another spelling": lambda: asyncio.open_connection("3221225985", 443),
    "a name": lambda: asyncio.open_connection(NAME, 443),
    "a name in bytes": lambda: running().create_connection(asyncio.Protocol, cast("Any", NAME.encode()), 443),
    "a name for TLS": lambda: asyncio.open_connection(NAME, 443, ssl=True),
    "bound to a name": lambda: asyncio.open_connection("127.0.0.1", 9, local_addr=(NAME, 0)),
    "looking up": lambda: running().getaddrinfo(NAME, 443),
    "looking up in a thread": lambda: asyncio.to_thread(socket.getaddrinfo, NAME, 443),
    "looking up the old way": lambda: asyncio.to_thread(socket.gethostbyname, NAME),
    "whose address": lambda: running().getnameinfo((FOUR, 443)),
    "whose address in a thread": lambda: asyncio.to_thread(socket.gethostbyaddr, FOUR),
    "listening on a name": lambda: asyncio.start_server(lambda _r, _w: None, NAME, 0),
    "a socket": lambda: running().sock_connect(door(), (FOUR, 443)),
    "a socket by name": lambda: running().sock_connect(door(), (NAME, 443)),
    "a datagram line": lambda: datagrams(remote_addr=(FOUR, 53)),
    "a datagram line by name": lambda: datagrams(remote_addr=(NAME, 53)),
    "datagrams to anybody": lambda: datagrams(local_addr=("127.0.0.1", 0)),
    "datagrams by a socket": lambda: datagrams(sock=door(kind=socket.SOCK_DGRAM)),
    "one datagram": lambda: running().sock_sendto(door(kind=socket.SOCK_DGRAM), b"", (FOUR, 53)),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_a_loop_leads_out(loop: str, way: str, recwarn: pytest.WarningsRecorder) -> None:
    error = refused(loop, WAYS[way])
    assert error.code == "egress.refused" and error.errno == errno.EACCES
    assert isinstance(error, OSError) and isinstance(error, SoloError)
    assert GUARD.total == 1


def _tcp(address: Any, family: int = socket.AF_INET) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.connect(address)


def _udp(send: Callable[[socket.socket], Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        send(one)


@pytest.mark.parametrize(
    "work",
    [
        lambda: _tcp((FOUR, 80)),
        lambda: _tcp((NAME, 80)),
        lambda: _tcp((SIX, 80, 0, 0), socket.AF_INET6),
        lambda: _tcp((f"::ffff:{FOUR}", 80), socket.AF_INET6),
        lambda: socket.create_connection((NAME, 80), timeout=1),
        lambda: door().connect_ex((FOUR, 80)),
        lambda: door().bind((NAME, 0)),
        lambda: _udp(lambda one: one.sendto(b"x", (FOUR, 53))),
        lambda: _udp(lambda one: one.sendto(b"x", 0, (NAME, 53))),
        lambda: _udp(lambda one: one.sendmsg([b"x"], [], 0, (FOUR, 53))),
        lambda: _udp(lambda one: one.sendto(b"x", ("<broadcast>", 53))),
        lambda: _udp(lambda one: one.sendto(b"x", ("224.0.0.251", 5353))),
        lambda: socket.getnameinfo((FOUR, 80), 0),
        lambda: socket.gethostbyname_ex(NAME),
    ],
)
def test_no_socket_does(work: Callable[[], Any], recwarn: pytest.WarningsRecorder) -> None:
    with enforced(), pytest.raises(EgressRefused):
        work()
    assert GUARD.total == 1


@pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="this system has no packet sockets")
def test_raw_packets_are_not_made() -> None:
    with enforced(), pytest.raises(EgressRefused):
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


class TestWhatIsNear:
    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.10", "::ffff:127.0.0.1"])
    def test_loopback_is_reached(self, loop: str, host: str) -> None:
        async def work() -> bytes:
            async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"hello")
                writer.close()

            server = await asyncio.start_server(greet, "0.0.0.0", 0, family=socket.AF_INET)
            async with server:
                reader, writer = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])
                said = await reader.read()
                writer.close()
                return said

        assert on(loop, work) == b"hello" and GUARD.total == 0

    @pytest.mark.parametrize("loop", LOOPS)
    def test_so_are_sockets_in_the_file_system(self, loop: str, tmp_path: Path) -> None:
        place = str(tmp_path / "door")

        async def work() -> bytes:
            async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"hello")
                writer.close()

            async with await asyncio.start_unix_server(greet, place):
                reader, writer = await asyncio.open_unix_connection(place)
                said = await reader.read()
                writer.close()
                return said

        assert on(loop, work) == b"hello" and GUARD.total == 0

    @pytest.mark.parametrize("loop", LOOPS)
    def test_datagrams_to_loopback(self, loop: str) -> None:
        async def work() -> bytes:
            with door(kind=socket.SOCK_DGRAM) as one:
                one.bind(("127.0.0.1", 0))
                transport, _ = await datagrams(remote_addr=one.getsockname())
                transport.sendto(b"hello")
                said = await running().sock_recv(one, 10)
                transport.close()
                return said

        assert on(loop, work) == b"hello"

    def test_nothing_is_refused_outside_of_a_daemon(self) -> None:
        with enforced():
            pass
        GUARD.check(socket.AF_INET, (FOUR, 443))
        GUARD.check_name(NAME)
        assert GUARD.total == 0


class TestWhatIsAllowed:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [("host", "host", None), ("Host.Example.:443", "host.example", 443), ("192.0.2.1", FOUR, None),
         ("192.0.2.1:80", FOUR, 80), ("2001:DB8::1", SIX, None), ("[2001:db8::1]:80", SIX, 80),
         ("::ffff:192.0.2.1", FOUR, None), ("10.0.0.0/8", "10.0.0.0/8", None), ("fd00::/8", "fd00::/8", None),
         ("https://host/v1?key=x", "host", 443), ("http://host:8080/v1", "host", 8080), ("http://[::1]:1/", "::1", 1),
         ("postgresql://u:p@db:6432/x", "db", 6432), ("müller.example", "xn--mller-kva.example", None)],
    )  # fmt: skip
    def test_endpoints_are_read(self, text: str, host: str, port: int | None) -> None:
        assert Endpoint.parse(text, "test") == Endpoint(host, port, "test")

    @pytest.mark.parametrize(
        "text", ["", "host:0", "host:99999", "a b", "*", "*.example", "10.0.0.1/8", "host:port", "https://", "u:p@host"]
    )
    def test_others_are_not(self, text: str) -> None:
        with pytest.raises(EndpointInvalid) as caught:
            Endpoint.parse(text, "test")
        assert "u:p" not in str(caught.value)

    @pytest.mark.parametrize(
        ("allowed", "address", "passes"),
        [(FOUR, (FOUR, 1), True), (f"{FOUR}:80", (FOUR, 80), True), (f"{FOUR}:80", (FOUR, 81), False),
         ("192.0.2.0/24", ("192.0.2.7", 5), True), ("192.0.2.0/24", ("192.0.3.7", 5), False),
         (FOUR, (f"::ffff:{FOUR}", 1), True), (SIX, ("2001:db8:0::1%3", 1), True), ("fd00::/8", (FOUR, 1), False),
         (NAME, (FOUR, 1), False), (NAME, (NAME, 1), True), (f"{NAME}:80", (NAME.upper() + ".", 80), True),
         (f"{NAME}:80", (NAME, 81), False)],
    )  # fmt: skip
    def test_address_and_port_have_to_fit(self, allowed: str, address: tuple[str, int], passes: bool) -> None:
        with enforced(Endpoint.parse(allowed, "test")):
            if passes:
                GUARD.check(socket.AF_INET, address)
            else:
                with pytest.raises(EgressRefused):
                    GUARD.check(socket.AF_INET, address)

    def test_what_a_name_was_found_to_be_may_be_connected_to_while_it_is_allowed(self) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (FOUR, 443))]
        with enforced():
            with GUARD.allow(Endpoint(NAME, 443, "test")):
                with pytest.raises(EgressRefused):
                    GUARD.check(socket.AF_INET, (FOUR, 443))
                GUARD.check_name(NAME)
                GUARD.pin(NAME, found)
                GUARD.check(socket.AF_INET, (FOUR, 443))
                with pytest.raises(EgressRefused):
                    GUARD.check(socket.AF_INET, (FOUR, 80))
                with GUARD.allow(Endpoint(NAME, 443, "test")):  # somebody else needs it too, and ends first
                    pass
                GUARD.check(socket.AF_INET, (FOUR, 443))
            with pytest.raises(EgressRefused):
                GUARD.check(socket.AF_INET, (FOUR, 443))
            with pytest.raises(EgressRefused):
                GUARD.check_name(NAME)

    def test_what_another_name_was_found_to_be_may_not(self) -> None:
        with enforced(Endpoint(NAME, None, "test")), pytest.raises(EgressRefused):
            GUARD.pin("another.invalid", [(socket.AF_INET, 1, 6, "", (FOUR, 443))])
            GUARD.check(socket.AF_INET, (FOUR, 443))

    def test_not_more_and_more_of_it(self) -> None:
        with enforced(Endpoint(NAME, None, "test")):
            for number in range(2 * MOST_PINS):
                GUARD.pin(NAME, [(socket.AF_INET, 1, 6, "", (f"10.0.{number}.1", 1))])
            assert len(GUARD._pins[Endpoint(NAME, None, "test")]) == MOST_PINS

    @pytest.mark.parametrize("loop", LOOPS)
    def test_a_name_is_looked_up_once_and_connected_to_by_number(
        self, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        async def found(_: object, host: str, port: int, **__: object) -> list[Any]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        async def work() -> None:
            with GUARD.allow(Endpoint(NAME, None, "test")):
                _, writer = await asyncio.open_connection(NAME, server.getsockname()[1])
                writer.close()

        monkeypatch.setattr("solo.egress.loops.Guarding.getaddrinfo", found)
        with socket.create_server(("127.0.0.1", 0)) as server:
            on(loop, work)
        assert asked == [NAME]


class TestSwallowed:
    """A library that swallows the error still does not get out, and is seen."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test_every_error_swallowed(self, loop: str) -> None:
        async def work() -> None:
            for way in WAYS.values():
                with suppress(OSError):
                    await way()

        on(loop, work)
        assert GUARD.total == len(WAYS)

    @pytest.mark.parametrize("loop", LOOPS)
    def test_httpx(self, loop: str) -> None:
        async def work() -> None:
            async with httpx.AsyncClient(trust_env=False) as client:
                for url in (f"http://{FOUR}/?token=secret", f"https://{NAME}/"):
                    with pytest.raises(httpx.ConnectError):
                        await client.get(url)

        on(loop, work)
        assert GUARD.total == 2
        assert [each.host for each in GUARD.refused()] == [NAME, FOUR]
