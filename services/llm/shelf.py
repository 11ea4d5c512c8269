"""All models that the pool knows, by the names that settings, commands and askers have for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from services.llm.failures import UnknownModel
from services.llm.keeper import Keeper
from services.llm.making import Making
from services.llm.plan import Plan, Planner, Reference, plain
from services.messages.models import FindModel, ModelFile
from solo.bus import NoHandler
from solo.errors import SoloError
from solo.isolation.engine import BadEngineInput, ModelMissing
from solo.supervision import Context

FIND_S = 30.0
"""Seconds for the catalogue to find a model, and to try it when it has not been yet."""
DEFAULT = "default"
"""Names the default model for everybody."""

NewKeeper = Callable[[str, Planner, bool], Keeper]
"""Makes a keeper of a name, a planner, and whether another server runs it; and sees to it that it runs."""


class Shelf:
    def __init__(self, ctx: Context, making: Making, default: str, new: NewKeeper) -> None:
        """`default`: what the settings call the default model by; empty: the packaged one."""
        self._ctx = ctx
        self._making = making
        self._default = default
        self._new = new
        self._keepers: dict[str, Keeper] = {}
        self._paths: dict[Path, Keeper] = {}
        self._files: dict[str, Path] = {}
        """Those that need no catalogue to be found."""

    def __iter__(self) -> Iterator[Keeper]:
        return iter(self._keepers.values())

    def known(self, name: str) -> Keeper | None:
        """A model that is on the shelf already."""
        if name == DEFAULT:
            return self.of(DEFAULT)
        return self._keepers.get(name) or self._keepers.get(plain(name))

    def of(self, text: str) -> Keeper:
        """The model that settings, or a command, call by this."""
        reference = Reference.of(text)
        name = reference.name
        if reference.kind == "catalogue" and name == DEFAULT:
            reference = Reference.of(self._default)
            name = reference.name
        if reference.kind == "packaged" or (reference.kind == "catalogue" and name == self._making.default_name()):
            name = self._making.default_name()
            return self._keepers.get(name) or self._put(name, self._packaged(name), self._making.default_path())
        if reference.kind == "file":
            path = Path(reference.text)
            name = self._free(path)
            return self._paths.get(path) or self._put(name, self._file(name, path), path)
        planner = self._remote(reference) if reference.kind == "remote" else self._listed(name)
        return self._keepers.get(name) or self._put(name, planner, remote=reference.kind == "remote")

    async def named(self, name: str) -> Keeper:
        """The model that an asker calls by this. Raises `UnknownModel`, or why the catalogue keeps it in quarantine.

        A server's URL is not asked because somebody names it: it has to be bound to a role.
        """
        if (keeper := self.known(name)) is not None:
            return keeper
        if name.startswith(("http://", "https://")):
            raise UnknownModel(f"no role is bound to {name}", hint="Bind one with `solo models use`.")
        file = await self._find(name)
        path = Path(file.path)
        return self._paths.get(path) or self._keepers.get(file.name) or self._put(
            file.name, self._listed(file.name), path
        )  # fmt: skip

    def text_of(self, keeper: Keeper) -> str:
        """What a binding that outlives this run calls it by: its name, or the path of a file that settings named."""
        return str(self._files[keeper.name]) if keeper.name in self._files else keeper.name

    def drop(self, keeper: Keeper) -> None:
        """Forget a model whose file has gone."""
        self._keepers = {name: other for name, other in self._keepers.items() if other is not keeper}
        self._paths = {path: other for path, other in self._paths.items() if other is not keeper}

    def _put(self, name: str, planner: Planner, path: Path | None = None, *, remote: bool = False) -> Keeper:
        keeper = self._keepers[name] = self._new(name, planner, remote)
        if path is not None:
            self._paths[path] = keeper
        return keeper

    def _free(self, path: Path) -> str:
        """A name for a file: its own, with the folder's where another file has that one."""
        name = plain(path.name)
        return f"{path.parent.name.lower()}/{name}" if name in self._keepers else name

    def _packaged(self, name: str) -> Planner:
        async def plan() -> Plan:
            return await self._making.local(name, None)

        return plan

    def _file(self, name: str, path: Path) -> Planner:
        self._files.setdefault(name, path)

        async def plan() -> Plan:
            return await self._making.local(name, path)

        return plan

    def _listed(self, name: str) -> Planner:
        async def plan() -> Plan:
            try:
                file = await self._find(name)
            except UnknownModel as error:  # of a question it would be the asker's fault; of a binding it is not
                raise ModelMissing(error.message, hint=error.hint) from error
            return await self._making.local(name, Path(file.path), file)

        return plan

    def _remote(self, reference: Reference) -> Planner:
        async def plan() -> Plan:
            try:
                return self._making.remote(reference)
            except BadEngineInput as error:
                raise ModelMissing(f"{reference.text}: {error.message}", hint=error.hint) from error

        return plan

    async def _find(self, name: str) -> ModelFile:
        hint = "`solo models list` shows those that there are."
        if not name or len(name) > 1000:
            raise UnknownModel("that is no name of a model", hint=hint)
        try:
            return await self._ctx.request(FindModel(name=name, usable=True), within=FIND_S)
        except NoHandler as error:
            raise UnknownModel(f"there is no model {name}, and no catalogue to find it in") from error
        except SoloError as error:
            if error.code == "models.unknown":
                raise UnknownModel(f"there is no model {name}", hint=error.hint or hint) from error
            raise
