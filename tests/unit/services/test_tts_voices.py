"""Who speaks: by name, by language, from memory; voices come when they are wanted and make room for each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messages.speech import ListVoices, SoundChunk, Synthesize, Voice
from services.messages.voices import KeepReady, SpeakUsual
from services.tts.cache import Clause, ClauseCache
from services.tts.service import TTSService
from services.tts.shelf import OtherVoice, UnknownVoice, chosen, described
from services.tts.spec import TTSSettings, specs
from services.tts.voices import VoicesService
from solo.bus import Bus
from solo.errors import SoloError
from solo.isolation.process import EngineSpec
from solo.settings import MachineSettings
from solo.supervision import ServiceSpec
from tests.stubs.services import House, supervised

MIB = 1024**2
USUAL = Voice(name="usual", engine="fake", sample_rate=16_000, language="en")


def engine(name: str, **options: Any) -> EngineSpec:
    return EngineSpec("services.tts.adapters.fake:FakeTTS", {"voice": f"/nowhere/{name}.onnx", **options})


def other(name: str, language: str, **options: Any) -> OtherVoice:
    return OtherVoice(Voice(name=name, engine="fake", sample_rate=0, language=language), engine(name, **options))


OTHERS = (other("hans", "de"), other("marie", "fr"), other("broken", "it", speed=-1.0), other("pablo", "es"))


@asynccontextmanager
async def house(bus: Bus, cache: ClauseCache | None = None, most: int = 2) -> AsyncIterator[House]:
    voices = VoicesService(USUAL, OTHERS, ClauseCache(MIB) if cache is None else cache, most)
    tts = TTSService(engine("usual"))
    async with supervised(
        bus,
        ServiceSpec(name="voices", make=lambda: voices, answers=(Synthesize, ListVoices, KeepReady)),
        ServiceSpec(name="tts", make=lambda: tts, answers=(SpeakUsual,)),
    ) as running:
        yield running


async def say(bus: Bus, text: str, **wishes: Any) -> list[SoundChunk]:
    async with bus.stream(Synthesize(text=text, **wishes), within=20) as sounds:
        return [sound async for sound in sounds]


async def speaker(bus: Bus, text: str = "Hello.", **wishes: Any) -> str:
    return (await say(bus, text, **wishes))[0].engine.rpartition(" ")[2]


class TestChoosing:
    @pytest.mark.parametrize(
        ("voice", "language", "name"),
        [
            (None, None, None),
            (None, "en-GB", None),
            (None, "de", "hans"),
            (None, "de_AT", "hans"),
            (None, "xx", None),
            ("usual", "de", None),
            ("marie", "de", "marie"),
        ],
    )
    def test_by_name_then_by_language(self, voice: str | None, language: str | None, name: str | None) -> None:
        found = chosen(USUAL, OTHERS, voice, language)
        assert (found.voice.name if found else None) == name

    def test_an_unknown_name_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(UnknownVoice) as refused:
            chosen(USUAL, OTHERS, "nobody", None)
        assert "usual, hans" in str(refused.value.hint)

    def test_what_a_voice_says_of_itself(self, tmp_path: Path) -> None:
        path = tmp_path / "de_DE-x.onnx"
        assert described(path, "piper", "de") == Voice(name="de_DE-x", engine="piper", sample_rate=0, language="de")
        Path(f"{path}.json").write_text('{"audio": {"sample_rate": 16000}, "espeak": {"voice": "de"}}')
        assert described(path, "piper") == Voice(name="de_DE-x", engine="piper", sample_rate=16_000, language="de")

    def test_the_settings_make_them(self) -> None:
        settings = TTSSettings(engine="fake", voices={"de": Path("/x/hans.onnx")})
        voices = specs(settings, MachineSettings(), None)[0].make()  # type: ignore[arg-type]
        assert isinstance(voices, VoicesService)
        assert [(one.voice.name, one.voice.language) for one in voices.others] == [("hans", "de")]


class TestVoices:
    async def test_the_one_that_was_asked_for_speaks(self, bus: Bus) -> None:
        async with house(bus):
            assert await speaker(bus) == "usual"
            assert await speaker(bus, language="de") == "hans"
            assert await speaker(bus, language="xx") == "usual"
            assert await speaker(bus, voice="marie") == "marie"
            assert [voice.name for voice in await bus.request(ListVoices(), within=5)] == [
                "usual", *(one.voice.name for one in OTHERS),
            ]  # fmt: skip
            with pytest.raises(UnknownVoice):
                await say(bus, "Hello.", voice="nobody")

    async def test_one_that_cannot_be_loaded(self, bus: Bus) -> None:
        """Wanted for its language, the usual one speaks instead; wanted by name, its error is the answer."""
        async with house(bus):
            assert await speaker(bus, language="it") == "usual"
            with pytest.raises(SoloError) as failed:
                await say(bus, "Hello.", voice="broken")
            assert failed.value.code == "engine.failed"
            assert await speaker(bus, "Still here.") == "usual"

    async def test_they_are_loaded_when_they_are_wanted_and_make_room(self, bus: Bus) -> None:
        async with house(bus, most=1) as running:

            def loaded() -> str:
                shown = running.state("voices").engine
                assert shown is not None
                return shown.model

            assert loaded() == "usual"
            await say(bus, "Hallo.", language="de")
            assert loaded() == "usual, hans"
            await say(bus, "Salut.", language="fr")
            async with asyncio.timeout(10):
                while loaded() != "usual, marie":
                    await asyncio.sleep(0.01)


class TestCache:
    async def test_what_was_said_comes_again_without_the_engine(self, bus: Bus) -> None:
        cache = ClauseCache(MIB)
        async with house(bus, cache):
            first = await say(bus, "Sure,")
            assert (cache.hits, cache.misses) == (0, 1)
            assert await say(bus, "Sure,") == first
            assert (cache.hits, cache.misses) == (1, 1)
            await say(bus, "Sure,", speed=2.0)
            await say(bus, "Sure,", language="de")
            assert (cache.hits, cache.misses) == (1, 3)

    async def test_it_is_said_while_there_is_no_engine(self, bus: Bus) -> None:
        cache = ClauseCache(MIB)
        async with house(bus, cache):
            assert await bus.request(KeepReady(texts=("I am sorry.", "...")), within=20) == 1
        voices = VoicesService(USUAL, (), cache)
        async with supervised(bus, ServiceSpec(name="voices", make=lambda: voices)):
            assert await speaker(bus, "I am sorry.") == "usual"
            with pytest.raises(SoloError) as failed:
                await say(bus, "Anything else.")
            assert failed.value.code == "bus.no_handler"

    async def test_a_sentence_that_was_left_is_not_kept(self, bus: Bus) -> None:
        cache = ClauseCache(MIB)
        async with house(bus, cache):
            async with bus.stream(Synthesize(text="One. Two. Three. Four."), within=20, ahead=1) as sounds:
                await anext(aiter(sounds))
            assert await bus.request(ListVoices(), within=5)
            assert len(cache) == 0


def sound(size: int) -> list[SoundChunk]:
    return [SoundChunk(pcm=bytes(size), sample_rate=16_000, engine="fake")]


def clauses(cache: ClauseCache, names: str) -> Iterator[bool]:
    return (cache.holds(Clause("v", 1.0, name)) for name in names)


class TestClauseCache:
    def test_the_longest_unused_goes_first(self) -> None:
        cache = ClauseCache(100_000)
        for name in "abcdefghi":
            cache.keep(Clause("v", 1.0, name), sound(9_000))
        cache.find(Clause("v", 1.0, "a"))
        for name in "jklm":
            cache.keep(Clause("v", 1.0, name), sound(9_000))
        assert list(clauses(cache, "abcdm")) == [True, False, False, False, True]
        assert cache.evicted == 3

    def test_what_is_pinned_stays(self) -> None:
        cache = ClauseCache(100_000)
        cache.keep(Clause("v", 1.0, "a"), sound(9_000))
        assert cache.pin(Clause("v", 1.0, "a"))
        assert not cache.pin(Clause("v", 1.0, "never said"))
        for number in range(50):
            cache.keep(Clause("v", 1.0, str(number)), sound(9_000))
        assert cache.holds(Clause("v", 1.0, "a"))

    def test_not_everything_can_be_pinned(self) -> None:
        cache = ClauseCache(100_000)
        pinned = 0
        for name in "abcdefgh":
            cache.keep(Clause("v", 1.0, name), sound(9_000))
            pinned += cache.pin(Clause("v", 1.0, name))
        assert pinned == 2

    def test_what_is_too_large_and_what_is_silent_is_not_kept(self) -> None:
        cache = ClauseCache(100_000)
        cache.keep(Clause("v", 1.0, "long"), sound(20_000))
        cache.keep(Clause("v", 1.0, "silent"), [])
        assert len(cache) == cache.size == 0

    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20_000), st.booleans()), max_size=60))
    def test_it_never_holds_more_than_its_limit(self, said: list[tuple[int, int, bool]]) -> None:
        cache = ClauseCache(50_000)
        for name, size, pin in said:
            clause = Clause("v", 1.0, str(name))
            cache.keep(clause, sound(size))
            if pin:
                cache.pin(clause)
            assert cache.size <= 50_000
            assert cache.size == sum(kept.size for kept in cache._kept.values())
