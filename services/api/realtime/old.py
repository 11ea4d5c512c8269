"""The names of before GA: understood from everybody, spoken to clients that ask for them."""

from __future__ import annotations

from typing import Any

_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_OLD_FORMATS = {new: old for old, new in _FORMATS.items()}
_RENAMED = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
"""Old field -> where it is now."""
_CONTENTS = {"audio": "output_audio"}
_OLD_CONTENTS = {"output_text": "text", "output_audio": "audio"}
_EVENTS = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
_NEW_ONLY = frozenset({"conversation.item.done"})


def inward(said: dict[str, Any]) -> dict[str, Any]:
    """An event of a client, with the names of now."""
    kind = said.get("type")
    if kind == "transcription_session.update":
        kind = "session.update"
    if kind == "session.update" and isinstance(session := said.get("session"), dict):
        return {**said, "type": kind, "session": _settings(session)}
    if kind == "response.create" and isinstance(response := said.get("response"), dict):
        response = _settings(response)
        if isinstance(items := response.get("input"), list):
            response["input"] = [_item(item) for item in items]
        return {**said, "response": response}
    if kind == "conversation.item.create":
        return {**said, "item": _item(said.get("item"))}
    return said


def outward(event: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """What a client that asks for the old names is told instead."""
    kind = event["type"]
    if kind in _NEW_ONLY:
        return ()
    told = {**event, "type": _EVENTS.get(kind, kind)}
    if "item" in told:
        told["item"] = _old_item(told["item"])
    if "response" in told:
        told["response"] = _old_settings(told["response"])
        told["response"]["output"] = [_old_item(item) for item in told["response"]["output"]]
    if "session" in told:
        told["session"] = _old_settings(told["session"])
        if kind == "session.created":
            conversation = {"id": f"conv_{told['session']['id']}", "object": "realtime.conversation"}
            begun = {"type": "conversation.created", "event_id": f"{event['event_id']}b", "conversation": conversation}
            return (told, begun)
    return (told,)


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "tool_choice" or name not in _RENAMED:
            found[name] = value
            continue
        if name.endswith("_format") and isinstance(value, str):
            value = {"type": _FORMATS.get(value, value)}
        place = found
        *way, last = _RENAMED[name]
        for step in way:
            inner = place.get(step, settings.get(step) if place is found else None)
            place[step] = dict(inner) if isinstance(inner, dict) else {}
            place = place[step]
        place.setdefault(last, value)
    return found


def _item(item: Any) -> Any:
    if not isinstance(item, dict) or not isinstance(contents := item.get("content"), list):
        return item
    plain = "output_text" if item.get("role") == "assistant" else "input_text"
    names = {"text": plain, **_CONTENTS}
    return {**item, "content": [_renamed(content, names) for content in contents]}


def _old_item(item: dict[str, Any]) -> dict[str, Any]:
    if "content" not in item:
        return item
    return {**item, "content": [_renamed(content, _OLD_CONTENTS) for content in item["content"]]}


def _renamed(content: Any, names: dict[str, str]) -> Any:
    if isinstance(content, dict) and isinstance(kind := content.get("type"), str):
        return {**content, "type": names.get(kind, kind)}
    return content


def _old_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Flat, of a session and of a response alike."""
    found = {name: value for name, value in settings.items() if name not in {"audio", "output_modalities", "type"}}
    found["modalities"] = ["audio", "text"] if settings["output_modalities"] == ["audio"] else ["text"]
    for old, (first, *way) in _RENAMED.items():
        value: Any = settings.get(first)
        for step in way:
            value = value.get(step, _missing) if isinstance(value, dict) else _missing
        if way and value is not _missing:
            found[old] = _OLD_FORMATS[value["type"]] if old.endswith("_format") else value
    if "max_output_tokens" in found and settings.get("object") == "realtime.session":
        found["max_response_output_tokens"] = found.pop("max_output_tokens")
    if isinstance(found.get("tool_choice"), dict):
        found["tool_choice"] = found["tool_choice"]["name"]
    return found


_missing = object()
