"""Samples from a client's format into the house's and back, in a process that never touches the daemon's loop."""

from __future__ import annotations

import uuid

from services.api.realtime.shape import Samples
from services.messages.codec import ResampleSound
from solo.errors import SoloError
from solo.supervision import Context

_WITHIN_S = 5.0


class Converter:
    """One sound, from its beginning to its end."""

    def __init__(self, ctx: Context, given: Samples, wanted: Samples) -> None:
        self.wanted = wanted
        self._ctx = ctx
        self._given = given
        self._session = f"realtime-{uuid.uuid4().hex}"
        self._begun = False

    async def feed(self, samples: bytes, *, last: bool = False) -> bytes:
        """What is ready of it; with `last` also what was held back."""
        if (self._given.form, self._given.rate) == (self.wanted.form, self.wanted.rate):
            return samples
        if last and not self._begun and not samples:
            return b""
        try:
            return await self._convert(samples, last)
        except SoloError as error:
            if error.code != "codec.session_lost" and not error.retryable:
                raise
            self._begun = False  # its process has started anew: a few samples are lost at the seam
            return await self._convert(samples, last)

    async def _convert(self, samples: bytes, last: bool) -> bytes:
        given, wanted = self._given, self.wanted
        question = ResampleSound(
            session=self._session,
            pcm=samples,
            form=given.form,
            rate=given.rate,
            to_form=wanted.form,
            to_rate=wanted.rate,
            first=not self._begun,
            last=last,
        )
        made = await self._ctx.request(question, within=_WITHIN_S)
        self._begun = not last
        return made
