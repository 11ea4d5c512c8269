"""Whatever address a model is asked from: no machine of this network is ever connected to, seen by one that listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.models import fetch, pull
from services.models.address import _is_public, vet
from services.models.errors import AddressForbidden, BadSource, FetchFailed
from services.models.fetch import Fetcher, Interrupted
from solo.egress import GUARD, enforced, guarded
from tests.file_server import FileServer, Page, file_server
from tests.stubs.intake import CONTENT, intake, left, pulled

PUBLIC = "93.184.215.14"
"""A public address that no test lets out: the guard's, or the loop's own connection is replaced."""

NUMBERS = (
    "127.0.0.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001",
    "127.0.0.1.", "127.255.255.254", "0.0.0.0", "0", "0x0", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[fec0::1]",
    "[fd00::1]", "[ff02::1]", "[100::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254",
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[fd00:ec2::254]",
    "100.100.100.200", "168.63.129.16", "192.0.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
)  # fmt: skip
NAMES = {
    "localhost": "127.0.0.1", "LOCALHOST": "127.0.0.1", "localhost.": "127.0.0.1", "ip6-localhost": "::1",
    "127.0.0.1.nip.example": "127.0.0.1", "metadata.google.internal": "169.254.169.254", "both.example": "both",
    "router": "192.168.1.1", "ⓛocalhost": "127.0.0.1", "１２７.0.0.1": "127.0.0.1", "127。0。0。1": "127.0.0.1",
    "loop_back.example": "127.0.0.1",
}  # fmt: skip
"""And what a name server of the attacker's says."""
ODD = (
    "http://{near}@93.184.215.14/a.gguf", "http://user:pass@{near}/a.gguf", "http://93.184.215.14@{near}/a.gguf",
    "http://93.184.215.14\\@{near}/a.gguf", "http://{near}\\@93.184.215.14/a.gguf", "http:\\\\{near}/a.gguf",
    "http:/{near}/a.gguf", "http:{near}/a.gguf", "//{near}/a.gguf", "http://{near}\t/a.gguf",
    "http://93.184.215.14\r\n@{near}/", "http://%31%32%37.0.0.1:{port}/a.gguf", "ftp://{near}/a.gguf",
    "gopher://{near}/_GET", "file://{near}/etc/passwd", "dict://{near}/x", "http+unix://{near}/a", "hf:{near}/a",
    "http://[127.0.0.1]:{port}/a.gguf", "http://[::1:{port}/a.gguf", "http://127.0.0.1:{port}:80/a.gguf",
    "http://-127.0.0.1:{port}/a.gguf", "http://127.0.0.1 :{port}/a.gguf", "http://:{port}/a.gguf",
    "http://a..b:{port}/a.gguf", "http://{near}%00.example/a.gguf", "http://{near}/a.gguf#@93.184.215.14/",
    "http://{near}?@93.184.215.14/a.gguf", "HTTP://{near}/a.gguf", "http://{near}/a.gguf;http://93.184.215.14",
)  # fmt: skip


@dataclass
class Canary:
    """Listens where nobody should come."""

    port: int = 0
    met: int = 0
    asked: list[str] = field(default_factory=list)
    """Names that were looked up."""
    answers: dict[str, list[str]] = field(default_factory=dict)
    """By name, one answer after the other; the last one stays."""


@pytest.fixture
async def canary(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Canary]:
    """On both loopbacks; name servers are played, so none is asked."""
    one = Canary()
    loop = asyncio.get_running_loop()
    usual = loop.getaddrinfo

    async def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one.met += 1
        writer.close()

    async def found(host: str, port: int, **named: Any) -> Any:
        one.asked.append(host)
        answers = one.answers.get(host)
        if answers is None:
            return await usual(host, port, **{**named, "flags": 0})
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        both = [PUBLIC, "127.0.0.1"] if answer == "both" else [answer]
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port)) for each in both]

    monkeypatch.setattr(loop, "getaddrinfo", found)
    monkeypatch.setattr(pull, "PAUSE_S", 0.001)
    server = await asyncio.start_server(met, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    before = GUARD.total
    async with server, await asyncio.start_server(met, "::1", one.port):
        yield one
    assert GUARD.total == before, "the guard had to stop what the fetcher should have refused"


@pytest.mark.parametrize("host", NUMBERS)
async def test_numbers_however_they_are_written(canary: Canary, tmp_path: Path, host: str) -> None:
    with enforced(), pytest.raises((AddressForbidden, BadSource, FetchFailed)):
        await pulled(intake(tmp_path, private=False), f"http://{host}:{canary.port}/a.gguf")
    assert canary.met == 0 and GUARD.allowed() == ()


@pytest.mark.parametrize("host", NAMES)
async def test_names_that_lead_here(canary: Canary, tmp_path: Path, host: str) -> None:
    canary.answers = {name.rstrip(".").lower(): [answer] for name, answer in NAMES.items()}
    with enforced(), pytest.raises((AddressForbidden, BadSource)):
        await pulled(intake(tmp_path, private=False), f"http://{host}:{canary.port}/a.gguf")
    assert canary.met == 0


@pytest.mark.parametrize("url", ODD)
async def test_addresses_that_two_may_read_in_two_ways(canary: Canary, tmp_path: Path, url: str) -> None:
    asked = url.format(near=f"127.0.0.1:{canary.port}", port=canary.port)
    with enforced(), pytest.raises((AddressForbidden, BadSource, FetchFailed)):
        await pulled(intake(tmp_path, private=False), asked, name="a")
    assert canary.met == 0
    assert set(canary.asked) <= {"127.0.0.1", "-127.0.0.1"}


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(NUMBERS) + len(NAMES) + len(ODD) >= 60


@asynccontextmanager
async def first_hop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FileServer]:
    """A server that stands for a public one: its hop, and no later one, counts as public."""
    async with file_server() as server:
        hops: list[str] = []

        def public(number: str) -> bool:
            hops.append(number)
            return len(hops) == 1 or _is_public(number)

        monkeypatch.setattr("services.models.address._is_public", public)
        yield server


@pytest.mark.parametrize(
    "there",
    [*(f"http://{host}:{{port}}/x" for host in NUMBERS[:24:4]), "http://169.254.169.254/latest/meta-data/",
     "//127.0.0.1:{port}/x", "http://user@127.0.0.1:{port}/x", "http://localhost:{port}/x", "gopher://127.0.0.1:{port}",
     "file:///etc/passwd", "http://[::1", "http:\\\\127.0.0.1:{port}", "\\\\127.0.0.1:{port}\\x"],
)  # fmt: skip
async def test_what_a_server_leads_to(
    canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    async with first_hop(monkeypatch) as server:
        server.pages["/a.gguf"] = Page(location=there.format(port=canary.port))
        with enforced(), pytest.raises((AddressForbidden, BadSource, FetchFailed)):
            await pulled(intake(tmp_path, private=False), server.url("/a.gguf"))
        assert [asked.path for asked in server.asked][:1] == ["/a.gguf"]
    assert canary.met == 0 and left(tmp_path) == []


async def test_a_name_that_is_another_machine_when_it_is_looked_up_again(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up once, and the number that was looked at is connected to."""
    canary.answers = {"rebind.example": [PUBLIC, "127.0.0.1"]}
    hosts: list[object] = []

    async def connect(_: object, host: object = None, *__: object, **___: object) -> None:
        hosts.append(host)
        raise OSError("not from a test")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    with pytest.raises(Interrupted):
        async with Fetcher("https://hub", "", private=False).get(f"http://rebind.example:{canary.port}/a.gguf"):
            pass
    assert hosts == [PUBLIC] and canary.asked.count("rebind.example") == 1 and canary.met == 0


async def test_a_redirect_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with file_server() as server:
        for hop in range(fetch.MOST_HOPS + 1):
            server.pages[f"/{hop}.gguf"] = Page(location=f"/{hop + 1}.gguf")
        server.pages[f"/{fetch.MOST_HOPS + 1}.gguf"] = Page(CONTENT)
        with pytest.raises(FetchFailed, match="leads on more than 3 times"):
            await pulled(intake(tmp_path), server.url("/0.gguf"))
        assert len(server.asked) == 4
        await pulled(intake(tmp_path), server.url("/1.gguf"))


async def test_the_token_is_told_to_the_hub_alone(tmp_path: Path) -> None:
    """Another port of the same machine is somebody else."""
    async with file_server() as hub, file_server() as other:
        hub.pages["/o/r/resolve/main/a.gguf"] = Page(location=other.url("/back"))
        other.pages["/back"] = Page(location=hub.url("/end"))
        hub.pages["/end"] = Page(CONTENT)
        await pulled(intake(tmp_path, endpoint=hub.url(""), token="secret"), "hf:o/r/a.gguf")
        assert "authorization" not in other.asked[0].headers
        assert [asked.headers.get("authorization") for asked in hub.asked] == ["Bearer secret"] * 2


class TestTheGuardLetsItThrough:
    """Only the machine that is asked, only while it is asked."""

    def test_while_a_model_is_fetched(self, tmp_path: Path) -> None:
        seen: list[str] = []

        async def work() -> None:
            async with file_server() as server:
                server.pages["/a.gguf"] = Page(CONTENT)
                async with Fetcher("https://hub", "", private=True).get(server.url("/a.gguf")) as answer:
                    seen.extend(map(str, GUARD.allowed()))
                    assert b"".join([data async for data in answer.body]) == CONTENT
                seen.append(str(server.port))

        with enforced(), asyncio.Runner(loop_factory=guarded(asyncio.SelectorEventLoop)) as runner:
            runner.run(work())
        assert seen == [f"127.0.0.1:{seen[-1]}", seen[-1]] and GUARD.allowed() == ()

    async def test_names_go_out_in_the_form_that_was_looked_at(self, canary: Canary) -> None:
        canary.answers = {"xn--mller-kva.example": [PUBLIC]}
        vetted = await vet("http://MÜLLER.example:8080/a.gguf", private=False)
        assert (vetted.url, vetted.host, vetted.name) == (
            f"http://{PUBLIC}:8080/a.gguf", "xn--mller-kva.example:8080", "xn--mller-kva.example",
        )  # fmt: skip
