"""Speech to text by a Wyoming server, such as wyoming-faster-whisper, on this machine or another."""

from __future__ import annotations

from typing import Any

from wyoming.asr import Transcribe, Transcript
from wyoming.info import AsrModel, AsrProgram

from services.formats.wyoming.calling import Server, ServerRefused
from services.formats.wyoming.frames import read, text_of
from services.formats.wyoming.sounds import chunk, starting, stopping
from services.stt.engine import Transcription
from solo.isolation.call import Call
from solo.isolation.engine import BadEngineInput

_RATE = 16_000
_PIECE = 8192
"""Bytes of sound in one event: 256 ms."""
_MOST_TEXT = 20_000
_DESCRIBE_S = 5.0
_ANSWER_S = 30.0


class WyomingSTT:
    """`server`: where it is, as tcp://host:port. `model`: its name there; None = the server's own choice.

    The rest as in the port; `threads` is the server's business. The protocol does not say when something was said, and
    cannot translate.
    """

    def __init__(self, server: str, model: str | None = None, threads: int = 1, language: str | None = None) -> None:
        self._server = Server(server)
        self._model = model
        self._language = language
        self._shown = ""

    def load(self) -> dict[str, Any]:
        """Raises `ServerAway`, or `ServerRefused` when it does not transcribe."""
        self._server.confine()
        programs = self._server.describe(_DESCRIBE_S).asr
        if not programs:
            raise ServerRefused(f"{self._server.place} transcribes nothing", hint="Is it a Wyoming server for speech?")
        program: AsrProgram = programs[0]
        models: list[AsrModel] = [model for model in program.models if self._model in {None, model.name}]
        if not models:
            names = ", ".join(model.name for model in program.models[:10])
            raise ServerRefused(f"{self._server.place} has no model {self._model}", hint=f"It has {names}.")
        self._shown = str(models[0].name)
        return {"engine": f"wyoming {program.name}", "model": self._shown, "multilingual": False, "offers": ["prompt"]}

    def transcribe(
        self,
        call: Call,
        pcm: bytes,
        language: str | None = None,
        prompt: str = "",
        translate: bool = False,
        temperature: float = 0.0,
        details: str = "",
    ) -> Transcription:
        """As the port says; `temperature` is the server's business."""
        language = language or self._language
        if language is not None and not (language.isascii() and language.isalpha() and 2 <= len(language) <= 3):
            raise BadEngineInput(f"{language!r} is no language.", hint="Give it as ISO 639-1, such as `de`.")
        if len(pcm) % 2:
            raise BadEngineInput("The sound has an odd number of bytes.", hint="Send 16-bit samples.")
        if translate:
            raise BadEngineInput(
                f"{self._shown} is asked by Wyoming, which cannot translate.", hint="Ask for the text as it is."
            )
        if details:
            raise BadEngineInput("By Wyoming nobody says when something was said.", hint="Ask for the text alone.")
        seconds = len(pcm) / 2 / _RATE
        text = ""
        if seconds >= 0.1 and not call.cancelled:
            text, language = self._ask(call, pcm, language, prompt)
        return {"text": text, "language": language or "en", "window_s": round(max(seconds, 0.01), 2), "attempts": 1}

    def _ask(self, call: Call, pcm: bytes, language: str | None, prompt: str) -> tuple[str, str | None]:
        terms = [term.strip() for term in prompt.split(",") if term.strip()]
        asked = Transcribe(name=self._model, language=language, transcript_terms=terms or None)
        with self._server.calling(_ANSWER_S) as caller:
            caller.send(asked.event(), starting(_RATE))
            for at in range(0, len(pcm), _PIECE):
                if call.cancelled:
                    return "", language
                caller.send(chunk(pcm[at : at + _PIECE], _RATE, at // 32))
            caller.send(stopping(len(pcm) // 32))
            while not call.cancelled:
                event = caller.next()
                if event is not None and event.type == "transcript":
                    said = read(Transcript, event)
                    told = said.language if isinstance(said.language, str) else None
                    return text_of(said.text, "the transcript", _MOST_TEXT).strip(), language or (told or None)
        return "", language
