"""Those who are not there when a recording is played: they answer as they did, after as long."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from solo.bus import Message
from solo.bus.tap import CANCELLED
from solo.errors import SoloError
from solo.replay import kinds
from solo.replay.bundle import CallLine
from solo.replay.sounds import with_sounds
from solo.supervision import Context, ServiceSpec

NAME = "recording"
"""The service that answers for all of them."""


class NotRecorded(SoloError):
    """This was not asked when the recording was made."""

    code = "replay.not_recorded"


class Player:
    """Answers one kind of question: the same question as it was answered, another one as the next was."""

    def __init__(self, kind: type[Message], calls: Sequence[CallLine], books: Mapping[str, bytes]) -> None:
        self.kind = kind
        self.unlike = 0
        """Questions that were not asked in these words when the recording was made."""
        self._books = books
        self._calls = deque((_key(kinds.message(kind, call.data, books)), call) for call in calls)
        self._blocks = _Blocks(kind, calls, books) if kind.block_bytes else None

    async def answer(self, question: Message) -> Any:
        if self._blocks is not None:
            return self._blocks.answer(question)
        call = self._take(question)
        begun = asyncio.get_running_loop().time()
        if call.answers:
            at, answered = call.answers[0]
            await _until(begun + at - call.t)
            return kinds.answer(self.kind, answered, self._books)
        await self._end(call, begun)
        raise NotRecorded(f"{self.kind.__name__} was not answered when the recording was made")

    async def stream(self, question: Message) -> AsyncGenerator[Any, None]:
        call = self._take(question)
        begun = asyncio.get_running_loop().time()
        for at, answered in call.answers:
            await _until(begun + at - call.t)
            yield kinds.answer(self.kind, answered, self._books)
        await self._end(call, begun)

    async def _end(self, call: CallLine, begun: float) -> None:
        if call.error == CANCELLED or call.ended is None:
            await asyncio.Event().wait()  # how long it would have taken is not known: it was not waited for
        assert call.ended is not None
        await _until(begun + call.ended - call.t)
        if isinstance(call.error, dict):
            raise SoloError.from_wire(call.error)

    def _take(self, question: Message) -> CallLine:
        if not self._calls:
            raise NotRecorded(f"{self.kind.__name__} was asked more often than when the recording was made")
        key = _key(question)
        for number, (known, call) in enumerate(self._calls):
            if known == key:
                del self._calls[number]
                return call
        self.unlike += 1
        return self._calls.popleft()[1]


class _Blocks:
    """Answers that have one item for so many bytes of the question, however many were asked about at a time."""

    def __init__(self, kind: type[Message], calls: Sequence[CallLine], books: Mapping[str, bytes]) -> None:
        self._kind = kind
        self._size = kind.block_bytes
        self._known: dict[bytes, deque[Any]] = defaultdict(deque)
        for call in calls:
            pcm = with_sounds(call.data["pcm"], books)
            for _, items in call.answers[:1]:
                for number, item in enumerate(items):
                    self._known[pcm[number * self._size : (number + 1) * self._size]].append(item)

    def answer(self, question: Any) -> Any:
        pcm = question.pcm
        blocks = (pcm[at : at + self._size] for at in range(0, len(pcm) - self._size + 1, self._size))
        return kinds.answer(self._kind, [self._of(block) for block in blocks], {})

    def _of(self, block: bytes) -> Any:
        items = self._known.get(block)
        if not items:
            return 0.0
        return items.popleft() if len(items) > 1 else items[0]


def players(calls: Sequence[CallLine], books: Mapping[str, bytes]) -> list[Player]:
    """One for each kind that was asked."""
    known = kinds.known()
    by_kind: dict[str, list[CallLine]] = defaultdict(list)
    for call in calls:
        by_kind[call.kind].append(call)
    return [Player(known[name], asked, books) for name, asked in by_kind.items() if name in known]


def spec(played: Sequence[Player]) -> ServiceSpec:
    """They are one service, ready at once."""

    async def run(ctx: Context) -> None:
        async with asyncio.TaskGroup() as tasks:
            for player in played:
                handler: Callable[[Any], Any] = player.stream if kinds.is_stream(player.kind) else player.answer
                # It fails as they did, and never starts anew.
                kind: Any = player.kind
                tasks.create_task(ctx.answer(kind, handler, limit=1024, restarts=False))
            ctx.ready()

    return ServiceSpec(name=NAME, make=lambda: _Service(run), answers=tuple(player.kind for player in played))


class _Service:
    name = NAME

    def __init__(self, run: Callable[[Context], Any]) -> None:
        self._run = run

    async def run(self, ctx: Context) -> None:
        await self._run(ctx)


def _key(question: Message) -> str:
    """What is asked, without by whom and when."""
    fields = question.model_dump(exclude={"id", "turn_id", "cause", "monotonic", "wall"})
    return hashlib.sha256(repr(fields).encode()).hexdigest()


async def _until(at: float) -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(max(0.0, at - now))
