"""OpenAI's own clients speak and listen to a real daemon with its real engines of sound."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import av
import openai
import pytest

from tests.contract.sounds import hostile
from tests.daemon import Daemon, daemon, wait_for

SELFTEST = Path(__file__).resolve().parents[2] / "solo" / "cli" / "selftest.wav"
SENTENCE = "The old lighthouse stands on a rock at the end of the bay."
STORY = (
    f"{SENTENCE} Every evening the keeper climbs the stairs and lights the lamp. "
    "Ships that pass in the night can see it from twenty miles away. "
    "In the winter the waves are higher than the door of the house. "
    "The keeper has a small boat, but he uses it only in the summer. "
    "On Sundays his brother brings bread, coffee, and the newspaper. "
    "They sit by the fire and talk about the fish and the weather. "
    "When the moon is full, the brother stays until the morning."
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    state: Path = tmp_path_factory.mktemp("audio") / "state"
    with daemon(state, LLM__ENGINE="fake", WAKE__ENGINE="fake", VAD__ENGINE="fake", MEMORY__EMBEDDER="fake") as running:
        yield running


@pytest.fixture
def client(running: Daemon) -> Iterator[openai.OpenAI]:
    with openai.DefaultHttpxClient(trust_env=False, timeout=60) as http:
        base = f"http://127.0.0.1:{running.port}/v1"
        yield openai.OpenAI(api_key=running.key, base_url=base, http_client=http, max_retries=0)


@pytest.fixture
async def caller(running: Daemon) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.DefaultAsyncHttpxClient(trust_env=False, timeout=60) as http:
        base = f"http://127.0.0.1:{running.port}/v1"
        yield openai.AsyncOpenAI(api_key=running.key, base_url=base, http_client=http, max_retries=0)


@pytest.fixture(scope="module")
def story(running: Daemon) -> bytes:
    """Longer than one piece, as MP3."""
    with openai.DefaultHttpxClient(trust_env=False, timeout=120) as http:
        base = f"http://127.0.0.1:{running.port}/v1"
        with openai.OpenAI(api_key=running.key, base_url=base, http_client=http, max_retries=0) as client:
            return client.audio.speech.create(model="tts-1", voice="nova", input=STORY, speed=0.75).content


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower()))


def alike(said: str, heard: str) -> bool:
    return len(words(said) & words(heard)) >= 0.8 * len(words(said))


def seconds(content: bytes) -> float:
    with av.open(io.BytesIO(content), "r") as file:
        return sum((frame.samples / frame.sample_rate for frame in file.decode(file.streams.audio[0])), 0.0)


class TestTranscriptions:
    def test_json(self, client: openai.OpenAI) -> None:
        found = client.audio.transcriptions.create(file=SELFTEST, model="whisper-1", language="en", prompt="France")
        assert alike("What is the capital of France?", found.text)

    def test_text(self, client: openai.OpenAI) -> None:
        found: Any = client.audio.transcriptions.create(file=SELFTEST, model="whisper-1", response_format="text")
        assert isinstance(found, str)
        assert alike("What is the capital of France?", found)

    def test_verbose_with_words(self, client: openai.OpenAI) -> None:
        found = client.audio.transcriptions.create(
            file=SELFTEST,
            model="tiny.en",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert found.language == "english"
        assert 2 < found.duration < 2.5
        assert found.segments and found.words
        assert [word.word for word in found.words] == found.text.split()
        assert all(0 <= word.start <= word.end <= found.duration for word in found.words)

    def test_a_long_sound(self, client: openai.OpenAI, story: bytes) -> None:
        found = client.audio.transcriptions.create(
            file=("story.mp3", story), model="whisper-1", response_format="verbose_json"
        )
        assert found.duration > 29
        assert alike(STORY, found.text)
        assert found.segments and len({segment.seek for segment in found.segments}) > 1, "in more than one piece"
        at = 0.0
        for number, segment in enumerate(found.segments):
            assert segment.id == number
            assert at - 0.05 <= segment.start < segment.end <= found.duration
            at = segment.end

    def test_subtitles(self, client: openai.OpenAI) -> None:
        srt: Any = client.audio.transcriptions.create(file=SELFTEST, model="whisper-1", response_format="srt")
        block = r"(\d+)\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n([^\n]+)\n\n"
        blocks = re.findall(block, srt)
        assert re.fullmatch(f"({block})+", srt)
        assert [int(number) for number, _ in blocks] == list(range(1, len(blocks) + 1))
        assert alike("What is the capital of France?", " ".join(text for _, text in blocks))

    def test_vtt(self, client: openai.OpenAI) -> None:
        vtt: Any = client.audio.transcriptions.create(file=SELFTEST, model="whisper-1", response_format="vtt")
        assert re.fullmatch(r"WEBVTT\n\n(\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}\n[^\n]+\n\n)+", vtt)

    def test_a_stream(self, client: openai.OpenAI) -> None:
        *deltas, done = client.audio.transcriptions.create(file=SELFTEST, model="gpt-4o-transcribe", stream=True)
        assert done.type == "transcript.text.done"
        assert alike("What is the capital of France?", done.text)
        assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == done.text

    async def test_a_stream_of_pieces(self, caller: openai.AsyncOpenAI, story: bytes) -> None:
        stream = await caller.audio.transcriptions.create(file=("a.mp3", story), model="whisper-1", stream=True)
        events = [event async for event in stream]
        assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
        assert len(events) > 2
        assert alike(STORY, getattr(events[-1], "text", ""))

    def test_a_translation_says_which_model_cannot(self, client: openai.OpenAI) -> None:
        with pytest.warns(DeprecationWarning), pytest.raises(openai.BadRequestError, match=r"tiny\.en"):
            client.audio.translations.create(file=SELFTEST, model="whisper-1")

    def test_another_language(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="'de'"):
            client.audio.transcriptions.create(file=SELFTEST, model="whisper-1", language="de")

    def test_another_model(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError):
            client.audio.transcriptions.create(file=SELFTEST, model="whisper-99")

    def test_hostile_files(self, client: openai.OpenAI, running: Daemon) -> None:
        for case in [case for case in hostile() if case.never][::8]:
            with pytest.raises(openai.BadRequestError) as refused:
                client.audio.transcriptions.create(file=("a.wav", case.content), model="whisper-1")
            assert "\n" not in refused.value.message, case.name
        assert running.process.poll() is None
        assert running.service("decoder")["restarts"] == 0


class TestSpeech:
    @pytest.mark.parametrize("format", ["mp3", "aac", "flac"])
    def test_what_is_said_is_heard(self, client: openai.OpenAI, format: Any) -> None:
        made = client.audio.speech.create(model="tts-1", voice="alloy", input=SENTENCE, response_format=format)
        assert 2 < seconds(made.content) < 8
        heard = client.audio.transcriptions.create(file=(f"a.{format}", made.content), model="whisper-1")
        assert alike(SENTENCE, heard.text)

    def test_wav_is_read_by_everybody(self, client: openai.OpenAI) -> None:
        made = client.audio.speech.create(model="tts-1", voice="echo", input="Sure.", response_format="wav").content
        with wave.open(io.BytesIO(made)) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            assert len(file.readframes(10**6)) == len(made) - 44

    def test_pcm_and_pace(self, client: openai.OpenAI) -> None:
        """At 24 kHz, so a faster voice is a shorter answer."""
        lengths = [
            len(
                client.audio.speech.create(
                    model="tts-1", voice="sage", input=SENTENCE, response_format="pcm", speed=speed
                ).content
            )
            / 48_000
            for speed in (1.0, 2.0)
        ]
        assert 2 < lengths[0] < 8
        assert lengths[1] < 0.75 * lengths[0]

    def test_a_stream(self, client: openai.OpenAI, tmp_path: Path) -> None:
        asked = {"model": "tts-1", "voice": "en_US-joe-medium", "input": STORY[:200], "response_format": "opus"}
        with client.audio.speech.with_streaming_response.create(**asked) as response:  # type: ignore[arg-type]
            assert response.headers["content-type"].startswith("audio/ogg")
            response.stream_to_file(tmp_path / "a.ogg")
        assert seconds((tmp_path / "a.ogg").read_bytes()) > 5

    async def test_it_comes_while_it_is_made(self, caller: openai.AsyncOpenAI) -> None:
        asked = {"model": "tts-1", "voice": "alloy", "input": STORY[:250], "response_format": "pcm"}
        async with caller.audio.speech.with_streaming_response.create(**asked) as response:  # type: ignore[arg-type]
            pieces = [piece async for piece in response.iter_bytes()]
        assert len(pieces) > 5

    async def test_events(self, caller: openai.AsyncOpenAI) -> None:
        asked = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Sure.", "stream_format": "sse"}
        async with caller.audio.speech.with_streaming_response.create(**asked) as response:  # type: ignore[arg-type]
            lines = [line async for line in response.iter_lines() if line.startswith("data: ")]
        assert "speech.audio.delta" in lines[0]
        assert lines[-1] == 'data: {"type":"speech.audio.done"}'

    def test_another_voice(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="en_US-joe-medium"):
            client.audio.speech.create(model="tts-1", voice="elvis", input="Hello")

    def test_who_leaves_frees_the_voice(self, client: openai.OpenAI, running: Daemon) -> None:
        def left() -> int:
            return int(running.service("tts")["engine"]["info"].get("cancelled", 0))

        before = left()
        asked = {"model": "tts-1", "voice": "alloy", "input": STORY, "response_format": "wav"}

        def leaves() -> bool:
            with client.audio.speech.with_streaming_response.create(**asked) as response:  # type: ignore[arg-type]
                next(response.iter_bytes())
            return left() > before

        # Who leaves between two sentences leaves nothing to be stopped.
        wait_for(leaves, 30, "the voice to stop", every=1.0)

    def test_the_voices(self, running: Daemon) -> None:
        listed = running.get("/v1/audio/voices").json()
        assert [voice["id"] for voice in listed["data"]] == ["en_US-joe-medium"]
