"""OpenAI's routes of sound over engines that say what they are told to."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from services.api.sound import form
from services.messages.codec import DecodeSound, EncodeSound
from services.messages.speech import Synthesize, Transcribe
from solo.bus import Busy
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.sound_house import PCM, RATE, VOICE, door

FILE = ("a.wav", b"RIFF....", "audio/wav")


async def transcribe(client: httpx.AsyncClient, path: str = "transcriptions", **data: Any) -> httpx.Response:
    return await client.post(f"/v1/audio/{path}", files={"file": FILE}, data={"model": "whisper-1", **data})


def error(response: httpx.Response) -> dict[str, Any]:
    said: dict[str, Any] = response.json()["error"]
    assert said["message"] and "\n" not in said["message"]
    return said


def events(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = response.text.split("\n\n")
    assert blocks[-1] == ""
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]


class TestTranscriptions:
    async def test_json(self, ctx: Context) -> None:
        async with door(ctx) as (client, engines):
            response = await transcribe(client)
        assert response.status_code == 200
        assert response.json() == {
            "text": "What is it? It is <late> --> now.",
            "usage": {"type": "duration", "seconds": 30},
        }
        assert engines.of(DecodeSound)[0].content == FILE[1]
        first, second, third = engines.of(Transcribe)
        assert (first.language, first.details, first.prompt, first.translate) == (None, "", "", False)
        assert (second.language, third.language) == ("en", "en"), "the first piece has decided"

    async def test_text(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await transcribe(client, response_format="text")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.text == "What is it? It is <late> --> now.\n"

    async def test_verbose(self, ctx: Context) -> None:
        async with door(ctx) as (client, engines):
            response = await transcribe(client, response_format="verbose_json", language="English", prompt="Ada")
        said = response.json()
        assert (said["task"], said["language"], said["duration"]) == ("transcribe", "english", 30.0)
        assert [(one["id"], one["seek"], one["start"], one["end"]) for one in said["segments"]] == [
            (0, 0, 0.5, 1.5),
            (1, 2000, 20.5, 21.5),
        ]
        assert "words" not in said
        assert {(one.language, one.prompt, one.details) for one in engines.of(Transcribe)} == {
            ("en", "Ada", "segments")
        }

    @pytest.mark.parametrize("granularities", [["word"], ["word", "segment"]])
    async def test_words(self, ctx: Context, granularities: list[str]) -> None:
        async with door(ctx) as (client, _):
            wanted: dict[str, Any] = {"timestamp_granularities[]": granularities}
            response = await transcribe(client, response_format="verbose_json", **wanted)
        said = response.json()
        assert said["words"] == [
            {"word": "What", "start": 0.5, "end": 0.8},
            {"word": "It", "start": 20.5, "end": 20.8},
        ]
        assert ("segments" in said) == ("segment" in granularities)

    async def test_events(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await transcribe(client, stream="true")
        assert events(response) == [
            {"type": "transcript.text.delta", "delta": "What is it?"},
            {"type": "transcript.text.delta", "delta": " It is <late> --> now."},
            {"type": "transcript.text.done", "text": "What is it? It is <late> --> now."},
        ]

    async def test_a_failure_in_the_middle_is_an_event(self, ctx: Context) -> None:
        async with door(ctx, texts=["One.", EngineDied("it died")]) as (client, _):
            first, second = events(await transcribe(client, stream="true"))
        assert first["delta"] == "One."
        assert second["error"]["code"] == "engine.died"

    async def test_a_failure_before_has_a_status(self, ctx: Context) -> None:
        async with door(ctx, texts=[EngineDied("it died")]) as (client, _):
            for stream in ("true", "false"):
                response = await transcribe(client, stream=stream)
                assert (response.status_code, error(response)["code"]) == (503, "engine.died")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("response_format", "diarized_json"),
            ("temperature", "2"),
            ("temperature", "hot"),
            ("language", "q"),
            ("language", "../../etc"),
            ("stream", "perhaps"),
            ("timestamp_granularities[]", "letter"),
            ("timestamp_granularities[]", "word"),
            ("include[]", "logprobs"),
            ("prompt", "x" * 5000),
        ],
    )
    async def test_what_does_not_fit(self, ctx: Context, field: str, value: str) -> None:
        async with door(ctx) as (client, engines):
            response = await transcribe(client, **{field: value})
        assert response.status_code == 400
        assert error(response)["code"] == "api.invalid_parameter"
        assert not engines.asked

    async def test_subtitles_do_not_stream(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            assert (await transcribe(client, stream="true", response_format="srt")).status_code == 400

    @pytest.mark.parametrize(("model", "status"), [("tiny.en", 200), ("tiny.en int8", 200), ("", 200), ("big", 404)])
    async def test_models(self, ctx: Context, model: str, status: int) -> None:
        async with door(ctx) as (client, _):
            response = await transcribe(client, model=model)
        assert response.status_code == status
        if status == 404:
            assert error(response)["code"] == "model_not_found"

    async def test_an_unreadable_file(self, ctx: Context) -> None:
        from services.codec.engine import SoundUnreadable

        async with door(ctx, file=SoundUnreadable("The file is no sound but a picture.", hint="Send sound.")) as (c, _):
            response = await transcribe(c)
        assert response.status_code == 400
        assert error(response)["message"] == "The file is no sound but a picture. Send sound."

    async def test_too_many_at_once_are_told_to_come_back(self, ctx: Context) -> None:
        async with door(ctx, file=Busy("the decoder is busy")) as (client, _):
            response = await transcribe(client)
        assert response.status_code == 503
        assert response.headers["retry-after"]

    async def test_a_translation(self, ctx: Context) -> None:
        async with door(ctx, language="de") as (client, engines):
            response = await transcribe(client, "translations", response_format="verbose_json", stream="true")
        assert response.json()["language"] == "english"
        assert all(question.translate for question in engines.of(Transcribe))


class TestForms:
    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"{}", "application/json"),
            (b"", "multipart/form-data; boundary=x"),
            (b"--x\r\n", "multipart/form-data; boundary=x"),
            (b"nonsense", "multipart/form-data; boundary=x"),
            (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", "multipart/form-data; boundary=x"),
            (b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nb\r\n--x--\r\n', "multipart/form-data"),
            (b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nb\r\n--x--\r\n',
             "multipart/form-data; boundary=x"),
            (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nb',
             "multipart/form-data; boundary=x"),
            (b"--x\r\n" + b"A: " + b"b" * 10_000 + b"\r\n\r\na\r\n--x--\r\n", "multipart/form-data; boundary=x"),
            (b"--x\r\n" + b'Content-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--\r\n',
             "multipart/form-data; boundary=x"),
            (b"--x\r\n" * 100_000, "multipart/form-data; boundary=x"),
            (b"", "multipart/form-data; boundary=" + "x" * 1000),
        ],
    )  # fmt: skip
    async def test_broken(self, ctx: Context, content: bytes, kind: str) -> None:
        async with door(ctx) as (client, engines):
            response = await client.post("/v1/audio/transcriptions", content=content, headers={"content-type": kind})
        assert response.status_code == 400
        assert error(response)["code"] == "api.invalid_parameter"
        assert not engines.asked

    async def test_too_many_parts(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await transcribe(client, **{f"field{number}": "x" for number in range(40)})
        assert response.status_code == 400

    async def test_two_files(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await client.post("/v1/audio/transcriptions", files=[("file", FILE), ("file", FILE)])
        assert (response.status_code, error(response)["param"]) == (400, "file")

    async def test_too_large_a_file(self, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(form, "MOST_FILE_BYTES", 1000)
        async with door(ctx) as (client, _):
            for size, status in ((1000, 200), (1001, 413)):
                response = await client.post("/v1/audio/transcriptions", files={"file": ("a", bytes(size))})
                assert response.status_code == status

    async def test_a_form_in_single_bytes(self, ctx: Context) -> None:
        request = httpx.Request("POST", "http://x", files={"file": FILE}, data={"response_format": "text"})
        content = request.read()

        async def trickle() -> Any:
            for byte in content:
                yield bytes([byte])

        async with door(ctx) as (client, engines):
            headers = {"content-type": request.headers["content-type"]}
            response = await client.post("/v1/audio/transcriptions", content=trickle(), headers=headers)
        assert response.status_code == 200
        assert engines.of(DecodeSound)[0].content == FILE[1]


async def speak(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    asked = {"model": "tts-1", "input": "One. Two.", "voice": "alloy", **body}
    return await client.post("/v1/audio/speech", json=asked)


class TestSpeech:
    async def test_a_wav(self, ctx: Context) -> None:
        async with door(ctx) as (client, engines):
            response = await speak(client, response_format="wav", speed=1.5, instructions="Cheerfully.")
        assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
        assert response.content[:4] == b"RIFF" and response.content[44:] == PCM * 4
        assert int.from_bytes(response.content[24:28], "little") == RATE
        assert [(one.text, one.speed) for one in engines.of(Synthesize)] == [("One.", 1.5), ("Two.", 1.5)]
        assert not engines.of(EncodeSound)

    @pytest.mark.parametrize(
        ("format", "kind"),
        [
            (None, "audio/mpeg"),
            ("opus", "audio/ogg"),
            ("aac", "audio/aac"),
            ("flac", "audio/flac"),
            ("pcm", "audio/pcm"),
        ],
    )
    async def test_the_others_are_encoded(self, ctx: Context, format: str | None, kind: str) -> None:
        async with door(ctx) as (client, engines):
            response = await speak(client, response_format=format)
        assert response.headers["content-type"].startswith(kind)
        assert response.content == b"<1024.1024.1024.1024>0"
        questions = engines.of(EncodeSound)
        assert {(one.format, one.sample_rate) for one in questions} == {(format or "mp3", RATE)}
        assert len({one.session for one in questions}) == 1

    async def test_events(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            *deltas, done = events(await speak(client, stream_format="sse", response_format="pcm"))
        assert b"".join(base64.b64decode(one["audio"]) for one in deltas) == b"<1024.1024.1024.1024>0"
        assert {one["type"] for one in deltas} == {"speech.audio.delta"}
        assert done == {"type": "speech.audio.done"}

    @pytest.mark.parametrize("voice", ["alloy", "Nova", VOICE.name, {"id": VOICE.name}, {"id": "echo"}])
    async def test_voices(self, ctx: Context, voice: object) -> None:
        async with door(ctx) as (client, _):
            assert (await speak(client, voice=voice)).status_code == 200

    async def test_an_unknown_voice(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            response = await speak(client, voice="elvis")
        assert response.status_code == 400
        said = error(response)
        assert said["param"] == "voice"
        assert VOICE.name in said["message"] and "alloy" in said["message"]

    async def test_an_unknown_model(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            assert (await speak(client, model="tts-99")).status_code == 404
            assert (await speak(client, model=VOICE.name)).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [{"input": ""}, {"input": "x" * 4097}, {"input": "..."}, {"speed": 0.1}, {"speed": 5}, {"speed": "fast"},
         {"response_format": "midi"}, {"stream_format": "hls"}, {"voice": 7}, {"voice": {"id": 7}}],
    )  # fmt: skip
    async def test_what_does_not_fit(self, ctx: Context, body: dict[str, Any]) -> None:
        async with door(ctx) as (client, engines):
            response = await speak(client, **body)
        assert (response.status_code, error(response)["code"]) == (400, "api.invalid_parameter")
        assert not engines.of(Synthesize)

    async def test_a_failure_before_has_a_status(self, ctx: Context) -> None:
        async with door(ctx, chunks=[EngineDied("it died")]) as (client, _):
            response = await speak(client)
        assert (response.status_code, error(response)["code"]) == (503, "engine.died")

    async def test_the_list_of_voices(self, ctx: Context) -> None:
        async with door(ctx) as (client, _):
            listed = (await client.get("/v1/audio/voices")).json()
        assert [one["id"] for one in listed["data"]] == [VOICE.name]
        assert "alloy" in listed["aliases"]
