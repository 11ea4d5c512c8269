"""What requests for answers have in common, whichever API they come by: who answers, and where an answer ends."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from services.api.openai.shapes import array, one_of, text
from services.messages.language import Role

USUAL_TOKENS = 512
"""Longest answer where nobody says how long: the prompt has to fit beside it in the model's context."""
LEAST_TOP_P = 1e-6
"""The APIs take 0, which means the likeliest token alone; so does this."""
ROLES: tuple[str, ...] = get_args(Role)
DEFAULTS = frozenset({"", "solo", "default"})
"""Names of no model in particular: who holds the conversation answers."""
_MOST_STOPS = 16
_LONGEST_STOP = 256
"""Characters; the engines take no longer one."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Stops = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=_LONGEST_STOP)], ...],
    BeforeValidator(_listed),
    Field(max_length=_MOST_STOPS),
    WithJsonSchema(one_of(text(1, _LONGEST_STOP), array(text(1, _LONGEST_STOP), most=_MOST_STOPS))),
]
"""Texts at which an answer ends; one alone needs no list."""


_NUMBERS: tuple[Any, ...] = (int, float, int | None)


class Asking(BaseModel):
    """The body of a request. Fields that it does not know are ignored; null is as good as left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_quotes(cls, value: object, field: ValidationInfo) -> object:
        """What is no number is not read as one, as these APIs have it."""
        name = field.field_name
        if isinstance(value, str | bool) and name and cls.model_fields[name].annotation in _NUMBERS:
            raise ValueError("is not a number")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        # `read` leaves out what is null before the model sees it.
        for name, shape in schema.get("properties", {}).items():
            if name not in schema.get("required", ()) and {"type": "null"} not in [shape, *shape.get("anyOf", ())]:
                told = {key: shape.pop(key) for key in ("title", "description", "default") if key in shape}
                schema["properties"][name] = {**told, "anyOf": [*shape.pop("anyOf", ()), *([shape] if shape else ())]}
                schema["properties"][name]["anyOf"].append({"type": "null"})
        return schema


def _no(value: object) -> object:
    raise ValueError("is not offered by Solo")


NotOffered = Annotated[None, BeforeValidator(_no)]
"""A field that must be left out, since ignoring it would answer something else than what was asked."""


def answerer(model: str, role: Role | None = None) -> dict[str, Any]:
    """`role` and `model` of the question: a role's name asks the role, `solo` whoever holds the conversation."""
    if role is not None:
        return {"role": role, "model": "" if model in DEFAULTS or model in ROLES else model}
    if model in ROLES:
        return {"role": model}
    return {} if model in DEFAULTS else {"model": model}
