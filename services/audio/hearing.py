"""A source's sound as it comes in: a bounded inbox, the last seconds of it, and how likely each chunk is speech."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from services.audio.endpointing import CHUNK_SAMPLES
from services.audio.ring import Ring
from services.messages.audio import BYTES_PER_SAMPLE
from services.messages.speech import ScoreSpeech
from solo.bus import Mailbox, Overflow
from solo.supervision import Context

_INBOX = 1500
"""Pieces of 20 to 40 ms: at least 30 s may wait while an engine is being restarted."""
_NUDGE = b""
"""A piece without sound: something else has happened that is worth a look."""


class Hearing:
    def __init__(self, ctx: Context, source: str) -> None:
        self.ring = Ring()
        self.inbox: Mailbox[bytes] = Mailbox(f"ear {source}", bytes, limit=_INBOX, overflow=Overflow.DROP_OLDEST)
        self.ended = False
        """No more sound will come."""
        self._ctx = ctx
        self._source = source
        self._unscored = bytearray()
        self._scored: deque[float] = deque()

    def nudge(self) -> None:
        """Whoever waits for sound looks up."""
        self.inbox.offer(_NUDGE)

    async def next(self, *, keep_s: float) -> bytes | None:
        """The next piece of sound, also kept in the ring; None when it has ended."""
        try:
            pcm = await anext(self.inbox)
        except StopAsyncIteration:
            self.ended = True
            return None
        self.ring.add(pcm, keep_s=keep_s)
        return pcm

    async def afresh(self, origin: int) -> None:
        """Score from this sample on, by a detector that knows nothing of what came before."""
        self._scored.clear()
        self._unscored = bytearray(self.ring.cut(origin, self.ring.heard))
        await self._ctx.request(ScoreSpeech(source=self._source, pcm=b"", afresh=True), within=20)

    async def score(self, pcm: bytes) -> None:
        """Score this too. Whole chunks only: the detector then holds nothing that its death could lose."""
        self._unscored += pcm
        whole = len(self._unscored) - len(self._unscored) % (CHUNK_SAMPLES * BYTES_PER_SAMPLE)
        if whole:
            chunks = bytes(self._unscored[:whole])
            del self._unscored[:whole]
            scores = await self._ctx.request(ScoreSpeech(source=self._source, pcm=chunks), within=20)
            self._scored += scores

    def scores(self) -> Iterator[float]:
        """Those nobody has taken yet, one by one: what is left stays for the next who asks."""
        while self._scored:
            yield self._scored.popleft()

    def skip(self) -> None:
        """Nobody wants to know of what waits to be scored."""
        self._unscored.clear()
        self._scored.clear()

    @property
    def position(self) -> int:
        """Sample behind the chunk whose score was taken last."""
        return self.ring.heard - len(self._unscored) // BYTES_PER_SAMPLE - len(self._scored) * CHUNK_SAMPLES
