"""Reads a model's header and says what it is, in the words of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.formats.gguf import Header, read_header
from services.formats.gguf_facts import TEMPLATE, Facts, clean, facts_of
from services.messages.models import ModelFile
from services.models.scan import Found
from solo.errors import SoloError


class Described(NamedTuple):
    model: ModelFile
    templates: Mapping[str, str]
    """The chat templates that it brings."""


def describe(found: Found, name: str) -> Described:
    """Never raises for what is wrong with the file: that is its verdict. Blocks while it reads."""
    about: dict[str, Any] = {
        "name": name,
        "path": str(found.path),
        "origin": found.origin,
        "size_bytes": found.size,
        "modified": found.modified_ns / 1e9,
    }
    if found.problem:
        return Described(ModelFile(**about, verdict="refused", reason=found.problem), {})
    try:
        header = read_header(found.files[0], size=found.size) if found.in_pieces else read_header(found.path)
    except SoloError as error:
        return Described(ModelFile(**about, verdict="refused", reason=reason_of(error)), {})
    facts = facts_of(header, found.path.stem)
    problem = _problem(header, facts)
    model = ModelFile(
        **about,
        architecture=facts.architecture,
        family=facts.family,
        title=facts.title,
        parameters=facts.parameters,
        quantisation=facts.quantisation,
        context=facts.context,
        layers=facts.layers,
        kv_bytes_per_token=facts.kv_bytes_per_token,
        embedding=facts.embedding,
        chat=facts.chat,
        template=facts.template,
        licence=facts.licence,
        # What comes as a package is locked by its hash: it is tried when somebody asks for that, not at every start.
        verdict="refused" if problem else "usable" if found.origin == "package" else "unchecked",
        reason=problem,
    )
    return Described(model, facts.templates)


def _problem(header: Header, facts: Facts) -> str:
    """Why a sound file cannot be used, as far as its header tells; empty: it can."""
    if facts.not_a_model:
        return f"it is {facts.not_a_model}"
    if any(key.startswith(TEMPLATE) for key in header.left_out):
        return "its chat template is longer than any that is used"
    if any(key.startswith(TEMPLATE) for key in header.mangled):
        return "its chat template is not UTF-8"
    return ""


def reason_of(error: SoloError) -> str:
    """The cause alone, on one line: a file's own reason needs neither its name nor its code."""
    return clean(error.message.split(" cannot be used: ", 1)[-1], 400) or error.code
