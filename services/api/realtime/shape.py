"""The settings of a session, how a client changes them, and how they are told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.api.openai.errors import InvalidParameter
from services.api.openai.reading import invalid
from services.messages.codec import SampleForm
from services.messages.language import MOST_TOKENS, Tool

INSTRUCTIONS = "You are Solo, a helpful voice assistant. Answer in one or two short sentences."
"""Of a client that gives none."""
_NULLABLE = frozenset({"turn_detection", "transcription", "noise_reduction", "prompt"})
"""Fields for which null means something."""
_NESTED = frozenset({"audio", "input", "output"})
"""Objects whose fields are changed one by one; others are replaced as a whole."""


def _none(value: object) -> None:
    if value is not None:
        raise ValueError("is not offered by Solo")


NotOffered = Annotated[None, BeforeValidator(_none)]
"""Null, as it is told, or left out: ignoring it would do something else than what was asked."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class PCM(_Part):
    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24_000] = 24_000


class PCMU(_Part):
    type: Literal["audio/pcmu"]


class PCMA(_Part):
    type: Literal["audio/pcma"]


Format = Annotated[PCM | PCMU | PCMA, Field(discriminator="type")]


class Samples(BaseModel):
    """What a format means."""

    model_config = ConfigDict(frozen=True)

    form: SampleForm
    rate: int
    """Hz."""
    bytes: int
    """Of a sample."""


SAMPLES = {
    "audio/pcm": Samples(form="pcm", rate=24_000, bytes=2),
    "audio/pcmu": Samples(form="pcmu", rate=8_000, bytes=1),
    "audio/pcma": Samples(form="pcma", rate=8_000, bytes=1),
}


class Transcription(_Part):
    model: str = Field(default="", max_length=200)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2}$")
    prompt: str = Field(default="", max_length=2000)


class ServerVad(_Part):
    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=5000)
    silence_duration_ms: int = Field(default=500, ge=100, le=10_000)
    idle_timeout_ms: NotOffered = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(_Part):
    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Input(_Part):
    format: Format = PCM()
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = ServerVad()


def _named(voice: object) -> object:
    return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice


class Output(_Part):
    format: Format = PCM()
    voice: Annotated[str, BeforeValidator(_named), Field(max_length=200)] = "alloy"
    speed: float = Field(default=1.0, ge=0.25, le=1.5)


class Audio(_Part):
    input: Input = Input()
    output: Output = Output()


class FunctionTool(Tool):
    """Realtime has the function's fields beside its type."""

    type: Literal["function"] = "function"


def _modality(value: object) -> object:
    """Sound comes with its text, so one word says it all; clients of before GA name both."""
    return ["audio"] if value in (["audio", "text"], ["text", "audio"]) else value


Modalities = Annotated[tuple[Literal["text", "audio"]], BeforeValidator(_modality), Field(min_length=1, max_length=1)]
MostTokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)] | Literal["inf"]


class Settings(_Part):
    """Of a session, or of one response of it."""

    type: Literal["realtime"] = "realtime"
    instructions: str = Field(default=INSTRUCTIONS, max_length=65_536)
    output_modalities: Modalities = ("audio",)
    audio: Audio = Audio()
    tools: tuple[FunctionTool, ...] = Field(default=(), max_length=128)
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the tool."""
    max_output_tokens: MostTokens = "inf"
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Of the API before GA only."""
    prompt: NotOffered = None

    @property
    def speaks(self) -> bool:
        return self.output_modalities == ("audio",)


def patched(settings: Settings, patch: dict[str, Any], under: str = "session") -> Settings:
    """With these fields changed. Raises InvalidParameter."""
    merged = _merged(settings.model_dump(), patch)
    if "tool_choice" in patch:
        merged["tool_choice"] = _choice(merged["tool_choice"], under)
    try:
        found = Settings.model_validate(merged)
    except ValidationError as error:
        raise invalid(error, under) from None
    names = {tool.name for tool in found.tools}
    possible = {"auto", "none", *names} | ({"required"} if names else set())
    if found.tool_choice not in possible:
        raise InvalidParameter("tool_choice names no tool", param=f"{under}.tool_choice")
    return found


def told(settings: Settings, **known: Any) -> dict[str, Any]:
    """The session as `session.created` and `session.updated` say it; `known`: id, model and the like."""
    body = settings.model_dump(exclude={"temperature", "tool_choice", "prompt"})
    body["audio"]["input"]["noise_reduction"] = None
    detection = settings.audio.input.turn_detection
    if isinstance(detection, ServerVad):
        body["audio"]["input"]["turn_detection"]["idle_timeout_ms"] = None
    named = {"auto", "none", "required"}
    choice: Any = settings.tool_choice
    return {
        "object": "realtime.session",
        **known,
        **body,
        "output_modalities": list(settings.output_modalities),
        "tool_choice": choice if choice in named else {"type": "function", "name": choice},
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
    }


def _merged(kept: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    for name, value in patch.items():
        if value is None and name not in _NULLABLE:
            continue
        if name in _NESTED and isinstance(value, dict) and isinstance(kept.get(name), dict):
            kept[name] = _merged(kept[name], value)
        else:
            kept[name] = value
    return kept


def _choice(choice: Any, under: str) -> str:
    if isinstance(choice, str):
        return choice
    name = choice.get("name") if isinstance(choice, dict) and choice.get("type", "function") == "function" else None
    if not isinstance(name, str) or name in {"auto", "none", "required"}:
        hint = 'Use "none", "auto", "required" or {"type": "function", "name": one of the tools}.'
        raise InvalidParameter("There is no such choice of tools", param=f"{under}.tool_choice", hint=hint)
    return name
