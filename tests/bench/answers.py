"""What the model says: the same alone and among others, the same for a seed, and JSON that always parses."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema

from services.llm.adapters.llama_cpp import LlamaCpp
from tests.contract.llm_cases import Asking, asked, begin, finish

PROMPTS = 48
TOKENS = 48
FORMS = 200
SUBJECTS = ("the sea", "a bicycle", "Rome", "the number seven", "a garden", "winter", "bread", "an old clock")
ORDERS = ("Tell me about {}.", "Write a short poem about {}.", "Why do people like {}?", "List five facts about {}.",
          "Explain {} to a child.", "What would happen without {}?")  # fmt: skip
TEXT: dict[str, Any] = {"type": "string"}
SCHEMAS: tuple[dict[str, Any], ...] = (
    {},
    {"type": "object", "properties": {"name": TEXT, "age": {"type": "integer"}}, "required": ["name", "age"]},
    {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 5},
    {"type": "object", "properties": {"colour": {"enum": ["red", "green", "blue"]}}, "required": ["colour"]},
    {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number"}}}}
        },
        "required": ["items"],
    },
    {"anyOf": [{"type": "boolean"}, {"type": "null"}, {"type": "integer", "minimum": 1, "maximum": 10}]},
    {
        "type": "object",
        "properties": {"title": {"type": "string", "maxLength": 40}, "tags": {"type": "array", "items": TEXT}},
        "required": ["title", "tags"],
        "additionalProperties": False,
    },
    {"type": "object", "properties": {"inner": {"type": "object", "properties": {"deep": {"type": "object"}}}}},
)


def _together(engine: LlamaCpp, params: list[dict[str, Any]]) -> list[Asking]:
    """Four at a time, the next one joining as soon as one leaves."""
    askings = [begin(engine, "complete", **one) for one in params]
    finish(engine, *askings)
    return askings


def _alone(engine: LlamaCpp, params: list[dict[str, Any]]) -> list[str]:
    texts = []
    for one in params:
        asking = begin(engine, "complete", **one)
        finish(engine, asking)
        texts.append(asking.text)
    return texts


def measure() -> dict[str, Any]:
    engine = LlamaCpp(threads=2, slots=4)
    engine.load()
    prompts = [asked(order.format(subject)) for order in ORDERS for subject in SUBJECTS]
    greedy = [{"messages": messages, "max_tokens": TOKENS} for messages in prompts[:PROMPTS]]
    alone = _alone(engine, greedy)
    equal = sum(one == other.text for one, other in zip(alone, _together(engine, greedy), strict=True))
    drawn = [one | {"temperature": 0.8, "top_p": 0.95, "seed": seed} for seed, one in enumerate(greedy[:24])]
    seeds = sum(one == other.text for one, other in zip(_alone(engine, drawn), _together(engine, drawn), strict=True))
    rng = random.Random(4)
    forms = [
        {
            "messages": rng.choice(prompts),
            "max_tokens": rng.choice((8, 24, 64, 120)),
            "form": {"json_schema": SCHEMAS[number % len(SCHEMAS)]},
            "temperature": rng.choice((0.0, 0.8)),
            "seed": number,
        }
        for number in range(FORMS)
    ]
    valid = cut = 0
    for asking, one in zip(_together(engine, forms), forms, strict=True):
        jsonschema.validate(json.loads(asking.text), one["form"]["json_schema"])
        valid += 1
        cut += asking.done["finish"] == "length"
    return {
        "greedy answers equal alone and among four": f"{equal} of {PROMPTS}",
        "drawn answers equal for their seed, alone and among four": f"{seeds} of {len(drawn)}",
        "answers to a JSON schema that parse and fit": f"{valid} of {FORMS} ({cut} were cut by their token limit)",
    }
