"""A VITS voice that begins to sound before its sentence is made: the text in one go, the sound in windows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from services.tts.adapters.seam import NoSeam, Part, Parts
from services.tts.adapters.windows import Pace

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Sound = NDArray[float32]
    Tensors = dict[str, NDArray[Any]]

_TRIED = 160
"""Frames over which a part is tried for how far it sees; those of known voices see 12 and 33 to either side."""

_FLOW_AHEAD = 256
"""Frames that the flow does in one go beyond those that are needed: each go has margins of its own."""


class Stage:
    """One of the two parts that go along the time axis, and how far it sees."""

    def __init__(self, part: Part, session: Any) -> None:
        self._part = part
        self._session = session
        self.reach = 0
        """Frames to either side on which a frame's result depends."""

    def run(self, tensors: Tensors, start: int, end: int, frames: int) -> NDArray[Any]:
        """Its result for frames `start` to `end` of `frames`; what lies along the time axis is cut to these."""
        fed = {name: _cut(tensors[name], start, end, frames) for name in self._part.inputs}
        result: NDArray[Any] = self._session.run(list(self._part.outputs), fed)[0]
        return result

    def try_out(self, tensors: Tensors, changed: str) -> int:
        """Measures `reach` by changing one frame in the middle; returns how many results there are to a frame."""
        import numpy as np

        frames = tensors[changed].shape[2]
        middle = frames // 2
        other = tensors | {changed: tensors[changed].copy()}
        other[changed][:, :, middle] += 1.0
        usual, differing = (self.run(these, 0, frames, frames) for these in (tensors, other))
        results = usual.shape[-1]
        touched = np.flatnonzero((differing != usual).reshape(-1, results).any(axis=0))
        each, odd = divmod(results, frames)
        if odd or not len(touched):
            raise NoSeam(f"{frames} frames make {results} results")
        self.reach = int(max(middle - touched[0] // each, touched[-1] // each - middle)) + 1
        if self.reach >= middle:
            raise NoSeam("a frame depends on all the others")
        return int(each)


class Vits:
    """Three sessions on the parts of one voice. Text comes in as phoneme ids, sound goes out in windows."""

    def __init__(self, parts: Parts, session: Callable[[bytes], Any]) -> None:
        self.parts = parts
        self.encoder = session(parts.encoder.model)
        self.flow = Stage(parts.flow, session(parts.flow.model))
        self.vocoder = Stage(parts.vocoder, session(parts.vocoder.model))
        self.hop = 0
        """Samples to a frame."""
        self.pace = Pace(0.0, 0)

    def learn(self, fed: Tensors, sample_rate: int) -> None:
        """Measures how far its parts see and what they cost. `fed`: a sentence of two seconds or more.

        Raises `NoSeam` when a frame cannot be made without all the others.
        """
        sentence = Sentence(self, fed)
        tensors, frames = sentence.beginning(_TRIED)
        if frames < _TRIED:
            raise NoSeam(f"the sentence to try it with has only {frames} frames")
        if self.flow.try_out(tensors, self.parts.noise) != 1:
            raise NoSeam("the flow changes the number of frames")
        tensors[self.parts.frames] = self.flow.run(tensors, 0, frames, frames)
        self.hop = self.vocoder.try_out(tensors, self.parts.frames)
        self.pace = Pace(self.hop / sample_rate, 2 * self.vocoder.reach)
        began = time.perf_counter()
        self.vocoder.run(tensors, 0, frames, frames)
        self.pace.measured(frames, time.perf_counter() - began)

    def speak(self, fed: Tensors) -> Iterator[Sound]:
        """The sound of one sentence, window by window; joined, they are what it would be in one piece."""
        sentence = Sentence(self, fed)
        start, window = 0, self.pace.first(sentence.frames)
        heard_from = 0.0
        while start < sentence.frames:
            sound = sentence.sound(start, start + window)
            start += window
            heard_from = heard_from or time.perf_counter()
            yield sound
            ahead = start * self.pace.frame_s - (time.perf_counter() - heard_from)
            window = self.pace.following(ahead, sentence.frames - start)


class Sentence:
    """One sentence under way: what the encoder says of all its frames, and how far the flow has come."""

    def __init__(self, voice: Vits, fed: Tensors) -> None:
        import numpy as np

        parts = voice.parts
        ids = fed["input"]
        # The same text sounds the same each time: said again after a death, it can go on where it was.
        dice = np.random.default_rng([int(one) for one in ids[0]])
        if parts.lengths:
            fed = fed | {parts.lengths: dice.standard_normal((1, 2, ids.shape[1]), np.float32)}
        made = voice.encoder.run(list(parts.encoder.outputs), {name: fed[name] for name in parts.encoder.inputs})
        tensors: Tensors = dict(zip(parts.encoder.outputs, made, strict=True))
        mean = tensors[parts.mean]
        tensors[parts.noise] = dice.standard_normal(mean.shape, np.float32)
        self.frames = int(mean.shape[2])
        self._tensors = tensors
        self._voice = voice
        self._flowed = 0

    def beginning(self, most: int) -> tuple[Tensors, int]:
        """Its first frames, as if there were no others, and how many these are."""
        frames = min(self.frames, most)
        return {name: _cut(whole, 0, frames, self.frames) for name, whole in self._tensors.items()}, frames

    def sound(self, start: int, end: int) -> Sound:
        """Frames `start` to `end`; windows are asked for in order."""
        vocoder, pace, hop = self._voice.vocoder, self._voice.pace, self._voice.hop
        low, high = max(0, start - vocoder.reach), min(self.frames, end + vocoder.reach)
        # The flow costs little: the first window plays long enough to do the rest of most sentences.
        self._flow_to(high if not start else min(self.frames, high + _FLOW_AHEAD))
        began = time.perf_counter()
        made = vocoder.run(self._tensors, low, high, self.frames)
        pace.measured(high - low, time.perf_counter() - began)
        return made.reshape(-1)[(start - low) * hop : (end - low) * hop]

    def _flow_to(self, end: int) -> None:
        import numpy as np

        flow, name, done = self._voice.flow, self._voice.parts.frames, self._flowed
        if done >= end:
            return
        low, high = max(0, done - flow.reach), min(self.frames, end + flow.reach)
        made = flow.run(self._tensors, low, high, self.frames)
        if not done:
            self._tensors[name] = np.zeros((1, made.shape[1], self.frames), np.float32)
        self._tensors[name][:, :, done:end] = made[:, :, done - low : end - low]
        self._flowed = end


def _cut(tensor: NDArray[Any], start: int, end: int, frames: int) -> NDArray[Any]:
    along = tensor.ndim == 3 and tensor.shape[2] == frames
    return tensor[:, :, start:end] if along else tensor
