"""Solo's adapters for Wyoming engines in real children, against the real servers of others and against bad ones."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.stt.spec import STTSettings
from services.stt.spec import specs as stt_specs
from services.tts.spec import TTSSettings
from services.tts.spec import specs as tts_specs
from services.wake.spec import WakeSettings
from services.wake.spec import specs as wake_specs
from solo.egress import EgressRefused
from solo.errors import SoloError
from solo.isolation.process import EngineProcess, EngineSpec
from solo.settings import MachineSettings
from solo.storage import Database
from tests.contract.speech import say, silence
from tests.contract.wake_cases import CASES
from tests.stubs.wyoming_engines import wake_server
from tests.stubs.wyoming_programs import faster_whisper, piper

pytestmark = pytest.mark.daemon_loop
ROOT = Path(__file__).resolve().parents[2]
QUESTION = "What is the weather going to be like in London tomorrow?"


def spec_of(specs: Callable[..., Any], settings: Any) -> EngineSpec:
    """Of the engine that a service would start with these settings."""
    found = specs(settings, MachineSettings(_env_file=None), Database(2))
    service = next(one for one in found if one.name in {"stt", "tts", "wake"})
    engine: EngineSpec = service.make().engine
    return engine


def stt_at(server: str) -> EngineSpec:
    return spec_of(stt_specs, STTSettings(engine="wyoming", server=server))


@pytest.fixture(scope="module")
def whisper_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with faster_whisper(tmp_path_factory.mktemp("whisper")) as server:
        yield server


@pytest.fixture(scope="module")
def piper_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with piper(tmp_path_factory.mktemp("piper")) as server:
        yield server


@pytest.mark.engine
async def test_wyoming_faster_whisper_is_solos_recogniser(whisper_server: str) -> None:
    async with EngineProcess(stt_at(whisper_server)).running() as engine:
        assert engine.info["engine"] == "wyoming faster-whisper"
        assert not engine.info["multilingual"]
        found = await engine.call("transcribe", within=60, pcm=say(QUESTION))
        assert "weather" in found["text"]
        assert "London" in found["text"]
        assert found["language"] == "en"
        assert (await engine.call("transcribe", within=60, pcm=b""))["text"] == ""
        hinted = await engine.call("transcribe", within=60, pcm=say("Call Siobhan."), prompt="Siobhan, Grainne")
        assert hinted["text"]


@pytest.mark.engine
async def test_wyoming_piper_is_solos_voice(piper_server: str) -> None:
    spec = spec_of(tts_specs, TTSSettings(engine="wyoming", server=piper_server, voice=Path("en_US-joe-packaged")))
    async with EngineProcess(spec).running() as engine:
        assert engine.info["engine"] == "wyoming piper"
        assert engine.info["model"] == "en_US-joe-packaged"
        assert engine.info["sample_rate"] == 22_050

        async def seconds(text: str, **wishes: Any) -> float:
            async with engine.stream("synthesize", within=60, text=text, **wishes) as pieces:
                sound = b"".join([piece async for piece in pieces])
            assert max(map(abs, array("h", sound[:882]))) > 300  # heard from the first 20 ms on
            return len(sound) / 2 / 22_050

        usual = await seconds("It will be sunny. Take no umbrella.")
        assert 1 < usual < 6
        assert await seconds("It will be sunny. Take no umbrella.", speed=2.0) < 0.7 * usual
    with pytest.raises(ExceptionGroup) as failed:
        async with EngineProcess(
            spec_of(tts_specs, TTSSettings(engine="wyoming", server=piper_server, voice=Path("nobody")))
        ).running():
            raise AssertionError("it loaded")
    assert "nobody" in str(failed.value.exceptions[0])


async def test_a_wyoming_server_is_solos_ear_for_wake_words() -> None:
    case = CASES["wyoming"]
    spec = spec_of(wake_specs, WakeSettings(engine="wyoming", server=wake_server(), words=("alexa",)))
    async with EngineProcess(spec).running() as engine:
        assert engine.info["words"] == ["alexa"]
        found = []
        pcm = silence(0.5) + case.sound("hey_jarvis") + silence(1) + case.sound("alexa") + silence(1)
        for at in range(0, len(pcm), 5120):
            found += await engine.call("feed", within=10, session="kitchen", pcm=pcm[at : at + 5120])
        assert [each["word"] for each in found] == ["alexa"]


async def test_a_server_that_answers_no_pings_is_heard_with_the_next_piece() -> None:
    spec = spec_of(wake_specs, WakeSettings(engine="wyoming", server=wake_server(pings=False)))
    async with EngineProcess(spec).running() as engine:
        found = []
        for piece in (silence(0.5), CASES["wyoming"].sound("alexa"), silence(0.16)):
            found += await engine.call("feed", within=10, session="kitchen", pcm=piece)
        async with asyncio.timeout(10):
            while not found:
                found += await engine.call("feed", within=10, session="kitchen", pcm=silence(0.16))
        assert [each["word"] for each in found] == ["alexa"]


async def test_its_child_reaches_its_server_and_nobody_else() -> None:
    server = wake_server()
    spec = EngineSpec(
        adapter="tests.stubs.curious:CuriousWyoming",
        options={"server": server},
        python_path=(str(ROOT),),
        no_network=False,
    )
    async with EngineProcess(spec).running() as engine:
        assert await engine.call("feed", within=10, session="a", pcm=silence(0.1)) == []
        for host in ("192.0.2.1", "example.invalid"):
            with pytest.raises(EgressRefused):
                await engine.call("reach", within=10, host=host)


@asynccontextmanager
async def bad_server(said: bytes, *, hangs: bool = False) -> AsyncIterator[str]:
    """Answers whatever it is asked with this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        await writer.drain()
        if hangs:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


BAD = {
    "nothing": (b"", "wyoming.server_away"),
    "garbage": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "wyoming.bad_frame"),
    "a line without end": (b"{" * 70_000, "wyoming.bad_frame"),
    "too much announced": (b'{"type": "info", "data_length": 99999999}\n', "wyoming.bad_frame"),
    "info of nothing": (b'{"type": "info", "data": {}}\n', "wyoming.server_refused"),
    "info that is none": (b'{"type": "info", "data": {"asr": 7}}\n', "wyoming.bad_event"),
    "programs that are none": (b'{"type": "info", "data": {"asr": [{"name": 1}]}}\n', "wyoming.bad_event"),
    "an error": (b'{"type": "error", "data": {"text": "no"}}\n', "wyoming.server_refused"),
}


@pytest.mark.parametrize(("said", "code"), BAD.values(), ids=BAD)
async def test_a_bad_server_is_named_as_such(said: bytes, code: str) -> None:
    async with bad_server(said) as server:
        with pytest.raises(ExceptionGroup) as failed:
            async with EngineProcess(stt_at(server)).running():
                raise AssertionError("it loaded")
    error = failed.value.exceptions[0]
    assert isinstance(error, SoloError)
    assert error.code == code


async def test_no_server_at_all_is_named_with_what_to_do() -> None:
    for server, code in (("tcp://127.0.0.1:9", "wyoming.server_away"), ("", "wyoming.server_refused")):
        with pytest.raises(ExceptionGroup) as failed:
            async with EngineProcess(stt_at(server)).running():
                raise AssertionError("it loaded")
        error = failed.value.exceptions[0]
        assert isinstance(error, SoloError)
        assert error.code == code
        assert error.hint


async def test_a_server_that_goes_in_mid_answer_fails_that_answer_alone() -> None:
    info = {
        "asr": [
            {
                "name": "x", "attribution": {"name": "", "url": ""}, "installed": True, "description": None,
                "version": None,
                "models": [
                    {"name": "m", "attribution": {"name": "", "url": ""}, "installed": True, "description": None,
                     "version": None, "languages": ["en"]}
                ],
            }
        ]
    }  # fmt: skip
    async with bad_server(json.dumps({"type": "info", "data": info}).encode() + b"\n") as server:
        async with EngineProcess(stt_at(server)).running() as engine:
            for _ in range(2):
                with pytest.raises(SoloError) as failed:
                    await engine.call("transcribe", within=20, pcm=silence(1))
                assert failed.value.code == "wyoming.server_away"
