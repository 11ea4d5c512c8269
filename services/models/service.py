"""Answers what models there are, checks them, and brings in and takes out model files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from services.messages.models import (
    ChooseModel,
    FileProgress,
    FindModel,
    ImportModel,
    ListModels,
    ModelFile,
    PullModel,
    RemoveModel,
    VerifyModel,
)
from services.messages.pool import DescribePool
from services.models.choosing import choose
from services.models.entries import Entry
from services.models.errors import CheckUnavailable, FetchFailed, ModelLoaded, ModelRefused
from services.models.intake import Intake
from services.models.judging import joined
from services.models.keeper import Keeper
from solo.errors import SoloError
from solo.supervision import Context

ANSWERS = (ListModels, FindModel, VerifyModel, ChooseModel, PullModel, ImportModel, RemoveModel)
_POOL_WITHIN_S = 2.0
_TRANSFERS = 4
"""Files being fetched at a time, and as many being copied."""
_CHECKS = 16
"""Checks asked for at a time; one is made at a time."""


@dataclass(frozen=True, slots=True)
class ModelsService:
    """Ready at once: folders are looked through when somebody asks, or a moment later."""

    keeper: Keeper
    intake: Intake
    every_s: float
    """Seconds between two looks at the folders."""
    name: str = "models"

    async def run(self, ctx: Context) -> None:
        async def list_models(question: ListModels) -> tuple[ModelFile, ...]:
            await self.keeper.look(ctx, again=question.refresh)
            return await self.keeper.all()

        async def find(question: FindModel) -> ModelFile:
            entry = await self._entry(ctx, question.name)
            model = await self.keeper.read(entry)
            if not question.usable:
                return model
            model = await self.keeper.usable(entry)
            if model.verdict == "refused":
                raise ModelRefused(
                    f"the model {model.name} is not used: {model.reason}",
                    hint=f"Fetch it again, or have it checked again: solo models verify {model.name}.",
                )
            if entry.found.in_pieces:
                async with entry.lock:
                    await joined(entry.found)
            return model

        async def verify(question: VerifyModel) -> ModelFile:
            entry = await self._entry(ctx, question.name)
            await self.keeper.judge.judge(entry, thorough=True)
            return entry.known()

        async def choose_model(question: ChooseModel) -> tuple[ModelFile, ...]:
            await self.keeper.look(ctx, again=False)
            return await self._choose(question)

        async def check(path: Path, sha256: str) -> ModelFile:
            return await self._taken_in(ctx, path, sha256)

        async def pull(question: PullModel) -> AsyncGenerator[FileProgress, None]:
            async with aclosing(self.intake.pull(question, check)) as steps:
                async for step in steps:
                    _go_on(ctx)
                    yield step

        async def bring(question: ImportModel) -> AsyncGenerator[FileProgress, None]:
            async with aclosing(self.intake.bring(question, check)) as steps:
                async for step in steps:
                    _go_on(ctx)
                    yield step

        async def remove(question: RemoveModel) -> ModelFile:
            entry = await self._entry(ctx, question.name)
            model = await self.keeper.read(entry)
            if await self._is_loaded(ctx, model.name):
                raise ModelLoaded(
                    f"the model {model.name} is loaded", hint=f"First unload it: solo models unload {model.name}."
                )
            await self.intake.remove(entry.found)
            await self.keeper.look(ctx)
            return model

        ctx.ready()
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self.keeper.run(ctx, self.every_s))
            async with asyncio.TaskGroup() as answering:
                answering.create_task(ctx.answer(ListModels, list_models))
                answering.create_task(ctx.answer(FindModel, find))
                answering.create_task(ctx.answer(VerifyModel, verify, limit=_CHECKS))
                answering.create_task(ctx.answer(ChooseModel, choose_model, limit=_CHECKS))
                answering.create_task(ctx.answer(PullModel, pull, limit=_TRANSFERS))
                answering.create_task(ctx.answer(ImportModel, bring, limit=_TRANSFERS))
                answering.create_task(ctx.answer(RemoveModel, remove))
            keeping.cancel()

    async def _entry(self, ctx: Context, name: str) -> Entry:
        await self.keeper.look(ctx, again=False)
        return self.keeper.entries.find(name)

    async def _choose(self, need: ChooseModel) -> tuple[ModelFile, ...]:
        """The best one is sure to be usable: those ranked before it are tried. Others not tried yet are left out."""
        best: list[ModelFile] = []
        for candidate in choose(await self.keeper.all(), need):
            model = candidate
            if model.verdict == "unchecked":
                if best:
                    continue
                checked = await self.keeper.usable(self.keeper.entries.find(model.name))
                model = checked.model_copy(update={"note": candidate.note})
            if model.verdict == "usable":
                best.append(model)
        return tuple(best)

    async def _taken_in(self, ctx: Context, path: Path, sha256: str) -> ModelFile:
        """Checked at once, though its folder says that it has hardly settled: it is whole."""
        await self.keeper.add(ctx, path)
        entry = self.keeper.entries.find(str(path))
        await self.keeper.judge.judge(entry, sha256=sha256)
        return entry.known()

    async def _is_loaded(self, ctx: Context, name: str) -> bool:
        try:
            pool = await ctx.request(DescribePool(), within=_POOL_WITHIN_S)
        except SoloError as error:
            if error.code == "bus.no_handler":  # a Solo without language models
                return False
            raise CheckUnavailable(
                f"it cannot be told whether {name} is loaded: {error.message}", hint="Ask again in a moment."
            ) from error
        return any(model.name == name and model.state in {"loading", "ready"} for model in pool.models)


def _go_on(ctx: Context) -> None:
    """A file takes longer to come than Solo to stop; what has come is kept."""
    if ctx.stopping.is_set():
        raise FetchFailed("Solo is stopping", hint="Ask again when it runs: it goes on where it stopped.")
