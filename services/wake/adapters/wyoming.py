"""Wake words by a Wyoming server, such as wyoming-openwakeword, on this machine or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wyoming.info import WakeModel
from wyoming.ping import Ping
from wyoming.wake import Detect, Detection

from services.formats.wyoming.calling import Caller, Server, ServerAway, ServerRefused
from services.formats.wyoming.frames import read
from services.formats.wyoming.sounds import chunk, starting
from services.wake.adapters.hearing import REFRACTORY_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE, choose, require_sensitivity
from services.wake.engine import Detection as Found
from solo.isolation.call import Call
from solo.isolation.sessions import Sessions, require_whole

_DESCRIBE_S = 5.0
_PONG_S = 1.0
"""For the answer to a first ping: a server that gives it is asked after each piece, and so known to have heard it."""
_PIECE_S = 5.0


class WyomingWake:
    """`server`: where it is, as tcp://host:port. `words`: names there; None = all that it has.

    `sensitivity`, `sensitivities` and `threads` are the server's business. A server that answers pings is waited for
    at each piece; from others a word may come with the next piece.
    """

    def __init__(
        self,
        server: str,
        words: Sequence[str] | None = None,
        sensitivity: float = 0.5,
        threads: int = 1,
        sensitivities: Mapping[str, float] | None = None,
    ) -> None:
        self._server = Server(server)
        self._words = words
        self._sensitivity = sensitivity
        self._sensitivities = dict(sensitivities or {})
        self._chosen: list[str] = []
        self._in_step = False
        self._sessions = Sessions(self._open, end=_Session.close)

    def load(self) -> dict[str, Any]:
        """Raises `ServerAway`, `ServerRefused` when it hears no words, or `ModelMissing` for one that it has not."""
        for sensitivity in (self._sensitivity, *self._sensitivities.values()):
            require_sensitivity(sensitivity)
        self._server.confine()
        programs = self._server.describe(_DESCRIBE_S).wake
        models: list[WakeModel] = [model for program in programs for model in program.models]
        if not models:
            raise ServerRefused(f"{self._server.place} has no wake words", hint="Is it a Wyoming server for them?")
        self._chosen = list(choose(self._words, {str(model.name): model for model in models}))
        self._in_step = self._answers_pings()
        return {
            "engine": f"wyoming {programs[0].name}",
            "model": str(self._server.place),
            "words": list(self._chosen),
        }

    def feed(self, call: Call, session: str, pcm: bytes) -> list[Found]:
        """As the port says."""
        require_whole(pcm, SAMPLE_BYTES)
        heard = self._sessions.use(session)
        try:
            return heard.feed(pcm, silent=call.cancelled)
        except ServerAway:
            self._sessions.close(session)
            raise

    def close(self, call: Call, session: str) -> None:
        self._sessions.close(session)

    def _open(self) -> _Session:
        return _Session(self._server, self._chosen, self._in_step)

    def _answers_pings(self) -> bool:
        try:
            with self._server.calling(_PONG_S) as caller:
                caller.send(Ping().event())
                return caller.expect("pong").type == "pong"
        except (ServerAway, ServerRefused):
            return False


class _Session:
    """One sound, on a connection of its own."""

    def __init__(self, server: Server, words: list[str], in_step: bool) -> None:
        self._words = frozenset(words)
        self._in_step = in_step
        self._heard = 0
        self._last: dict[str, int] = {}
        self._caller = Caller(server.place, _PIECE_S)
        self._caller.send(Detect(names=words).event(), starting(SAMPLE_RATE))

    def close(self) -> None:
        self._caller.close()

    def feed(self, pcm: bytes, *, silent: bool) -> list[Found]:
        """`silent`: nobody wants to know, so silence is heard in its place, and what is found later is in its place."""
        caller = self._caller
        caller.extend(_PIECE_S)
        if pcm:
            at_ms = self._heard * 1000 // SAMPLE_RATE
            caller.send(chunk(bytes(len(pcm)) if silent else pcm, SAMPLE_RATE, at_ms))
            self._heard += len(pcm) // SAMPLE_BYTES
            if self._in_step:
                caller.send(Ping().event())
        found: list[Found] = []
        waiting = self._in_step and bool(pcm)
        while (event := caller.next(_PIECE_S if waiting else 0.0)) is not None:
            if event.type == "pong":
                break
            if event.type == "detection":
                self._take(read(Detection, event), found)
        return found

    def _take(self, said: Detection, found: list[Found]) -> None:
        """Where it was said is where the server says, as far as that can be true."""
        word = said.name if isinstance(said.name, str) else ""
        if word not in self._words:
            return
        at = self._heard - 1
        if isinstance(said.timestamp, int) and 0 <= said.timestamp * SAMPLE_RATE // 1000 < self._heard:
            at = said.timestamp * SAMPLE_RATE // 1000
        if at - self._last.get(word, -REFRACTORY_SAMPLES) >= REFRACTORY_SAMPLES:
            self._last[word] = at
            found.append({"word": word, "at": at})
