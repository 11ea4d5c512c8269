"""The model files that are there, and what is known of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from solo.bus import Event, Request, StreamRequest

Verdict = Literal["unchecked", "usable", "refused"]
"""`unchecked`: found, its header read, not yet tried; `usable`: it passed every check; `refused`: quarantined."""


class ModelFile(BaseModel):
    """One model file as the catalogue knows it."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Names it everywhere: the file's name without its ending, in lower case, unique in the catalogue."""
    path: str
    """Absolute."""
    origin: Literal["models", "package", "extra"]
    """The folder `models/`, an installed package, or one of the extra directories."""
    size_bytes: int
    """Of the file, all parts of a split one together."""
    modified: float
    """Of the file, Unix seconds."""
    architecture: str = ""
    """As its metadata says, such as `llama`."""
    family: str = ""
    """Such as `SmolLM2`; empty: unknown."""
    title: str = ""
    """What its makers call it."""
    parameters: int | None = None
    """How many; None: unknown."""
    quantisation: str = ""
    """Such as `Q4_K_M`."""
    context: int | None = None
    """Tokens it was trained for."""
    layers: int | None = None
    """Blocks."""
    kv_bytes_per_token: int | None = None
    """Bytes of KV cache (16 bit) for each token of context; None: unknown."""
    embedding: int | None = None
    """Length of its hidden vectors."""
    chat: bool = False
    """It has a chat template, or belongs to a family whose template is known and its name says instruct or chat."""
    template: Literal["own", "family", "none"] = "none"
    """Whose chat template it is used with."""
    licence: str = ""
    """As its metadata says."""
    sha256: str = ""
    """Of the content, hexadecimal; empty: not read as a whole yet."""
    verdict: Verdict = "unchecked"
    """Of the checks."""
    reason: str = ""
    """Why it was refused."""
    note: str = ""
    """Why it was chosen and what memory it needs; of answers to `ChooseModel` only."""
    loaded: bool = False
    """An engine has it in memory now."""
    roles: tuple[str, ...] = ()
    """The roles that are bound to it."""


class ListModels(Request[tuple[ModelFile, ...]]):
    """All model files known, by name."""

    idempotent = True

    refresh: bool = False
    """Look through the folders first."""


class FindModel(Request[ModelFile]):
    """One model by its name or path.

    Fails with `models.unknown`, or `models.refused` when it is in quarantine and `usable` is set; an unchecked one is
    checked first then, which may take some seconds."""

    idempotent = True

    name: str
    """Name (any case, with or without ending), or absolute path of a file in the catalogue's folders."""
    usable: bool = False
    """It is wanted for use."""


class VerifyModel(Request[ModelFile]):
    """Check a model again from the start: header, template, hash of the content, trial load in a child."""

    name: str
    """As in `FindModel`."""


class ChooseModel(Request[tuple[ModelFile, ...]]):
    """The usable models that serve a need, best first; empty when none does."""

    idempotent = True

    memory_bytes: int | None = None
    """It must fit in this much memory, its KV cache included."""
    context: int = Field(default=2048, ge=1)
    """Tokens of context that the KV cache is counted with."""
    purpose: Literal["chat", "code", "embedding", "any"] = "chat"
    """What it is for."""
    family: str = ""
    """Of this family only."""


class FileProgress(BaseModel):
    """How far a file has come."""

    model_config = ConfigDict(frozen=True)

    step: Literal["connecting", "fetching", "copying", "hashing", "checking", "done"]
    """What is being done."""
    done_bytes: int = 0
    """So far, what was there before (a resumed one) included."""
    total_bytes: int | None = None
    """None: unknown."""
    model: ModelFile | None = None
    """Of the last item: the model, checked."""


class PullModel(StreamRequest[FileProgress]):
    """Fetch a model file into `models/`. What an interrupted one has left is gone on with."""

    url: str
    """`http(s)://...`, or `hf:owner/repository/file.gguf`."""
    sha256: str = Field(default="", pattern=r"^([0-9a-fA-F]{64})?$")
    """What its content must hash to; empty: what the server says, where it says so."""
    name: str = Field(default="", max_length=200)
    """File name to give it; empty: as in the URL."""


class ImportModel(StreamRequest[FileProgress]):
    """Copy (or hard-link) a model file from elsewhere on this machine into `models/`."""

    path: str
    """Absolute path of the file."""
    name: str = Field(default="", max_length=200)
    """File name to give it; empty: its own."""


class RemoveModel(Request[ModelFile]):
    """Delete a model file from `models/`; refused for one that is loaded, packaged, or in an extra directory."""

    name: str
    """As in `FindModel`."""


class ModelsChanged(Event):
    """The catalogue's folders have other files than before."""

    added: tuple[str, ...] = ()
    """Names of new models."""
    removed: tuple[str, ...] = ()
    """Names of those that are gone."""
