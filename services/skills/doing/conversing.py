"""Stop, repeat, and how loud it is."""

from __future__ import annotations

from services.messages.playback import SetVolume
from services.messages.skills import RunSkill, SkillReply
from services.skills.doing.hands import Hands
from solo.errors import SoloError

_STEP = 0.15
_WITHIN_S = 2.0
_UNMUTED = 0.6
"""How loud it is again where nobody remembers how loud it was."""
_MOST_SOURCES = 64


async def stop(hands: Hands, question: RunSkill) -> SkillReply:
    hands.ringer.silence(profile=question.profile, source=question.source)
    return SkillReply(say="", control="stop")


async def repeat(hands: Hands, question: RunSkill) -> SkillReply:
    return SkillReply(say="", control="repeat")


async def louder(hands: Hands, question: RunSkill) -> SkillReply:
    return await _change(hands, question, _STEP, "loudest")


async def softer(hands: Hands, question: RunSkill) -> SkillReply:
    return await _change(hands, question, -_STEP, "softest")


async def set_volume(hands: Hands, question: RunSkill) -> SkillReply:
    volume = await _volume(hands, question, volume=int(question.match.slots["percent"]) / 100)
    return _told(hands, volume, "volume")


async def mute(hands: Hands, question: RunSkill) -> SkillReply:
    before = await _volume(hands, question)
    if before is None:
        return hands.say("no_volume")
    if before > 0:
        if len(hands.volumes) >= _MOST_SOURCES:
            hands.volumes.clear()
        hands.volumes[question.source] = before
    await _volume(hands, question, volume=0.0)
    return hands.say("muted")


async def unmute(hands: Hands, question: RunSkill) -> SkillReply:
    volume = await _volume(hands, question, volume=hands.volumes.pop(question.source, _UNMUTED))
    return _told(hands, volume, "volume")


async def tell_volume(hands: Hands, question: RunSkill) -> SkillReply:
    return _told(hands, await _volume(hands, question), "volume_is")


async def _change(hands: Hands, question: RunSkill, change: float, at_end: str) -> SkillReply:
    volume = await _volume(hands, question, change=change)
    return _told(hands, volume, at_end if volume in {0.0, 1.0} else "volume")


async def _volume(
    hands: Hands, question: RunSkill, *, volume: float | None = None, change: float = 0.0
) -> float | None:
    """The new volume; None: there is no loudspeaker."""
    if question.source == "text":
        return None
    try:
        return await hands.ctx.request(
            SetVolume(source=question.source, volume=volume, change=change), within=_WITHIN_S
        )
    except SoloError as error:
        if error.code in {"audio.source_unknown", "bus.no_handler"}:
            return None
        raise


def _told(hands: Hands, volume: float | None, sentence: str) -> SkillReply:
    if volume is None:
        return hands.say("no_volume")
    return hands.say(sentence, percent=str(round(volume * 100)))


DOING = {
    "control.stop": stop,
    "control.repeat": repeat,
    "volume.up": louder,
    "volume.down": softer,
    "volume.set": set_volume,
    "volume.most": set_volume,
    "volume.mute": mute,
    "volume.unmute": unmute,
    "volume.get": tell_volume,
}
