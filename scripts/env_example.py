"""The file `.env.example`: every setting with its default and what it means."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.app import parts, settings_type
from solo.settings import MachineSettings, variable

FILE = Path(__file__).resolve().parents[1] / ".env.example"
HEAD = """\
# Every setting of Solo with its default. Made by scripts/reference.py (`make docs`); do not edit.
#
# Copy it to .env where Solo is started and take the # off the lines to change. What is set in the environment
# counts more than .env, and .env more than solo.toml in the state directory, where the section [stt] with the line
# threads = 4 means the same as SOLO_STT__THREADS=4 here. An unknown name is refused.
"""


def page() -> str:
    pieces = [HEAD, _section("Solo itself", MachineSettings, [])]
    pieces += [_section(name, kind, [name]) for name, kind in sections().items()]
    return "\n".join(pieces)


def sections() -> dict[str, type[BaseModel]]:
    """The nested sections: those of the machine, then those of the parts."""
    own = {name: kind for name, field in MachineSettings.model_fields.items() if (kind := _nested(field)) is not None}
    fields = settings_type().model_fields
    return own | {part.name: part.settings for part in parts() if part.settings is not None and part.name in fields}


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def field_docs(kind: type[BaseModel]) -> dict[str, str]:
    """The string below each field, of the class and its parents up to the library's own."""
    docs: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        if issubclass(parent, BaseModel) and not parent.__module__.startswith("pydantic"):
            docs.update(_own_docs(parent))
    return docs


def _own_docs(kind: type) -> Iterator[tuple[str, str]]:
    try:
        source = inspect.getsource(kind)
    except OSError:  # made at run time
        return
    body = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(body, ast.ClassDef)
    for line, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(line, ast.AnnAssign)
            and isinstance(line.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield line.target.id, inspect.cleandoc(below.value.value)


def _section(title: str, kind: type[BaseModel], path: list[str]) -> str:
    docs = field_docs(kind)
    lines = [f"# ---- {title} ----", ""]
    for name, field in kind.model_fields.items():
        if _nested(field) is not None:
            continue
        if name not in docs:
            raise SystemExit(f"{kind.__name__}.{name} has no docstring")
        lines += [f"# {docs[name].splitlines()[0]}", f"# {variable([*path, name])}={_default(field)}", ""]
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    """As it is written in a .env file; empty when unset or when it depends on the machine."""
    value: Any = field.default
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(" #'\"\\$") else text
