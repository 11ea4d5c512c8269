"""One model has one keeper, whatever it is called by."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from services.llm.keeper import Keeper
from services.llm.making import Making
from services.llm.plan import Planner
from services.llm.shelf import Shelf
from services.messages.models import FindModel, ModelFile
from services.models.errors import ModelUnknown
from solo.isolation.engine import ModelMissing
from solo.supervision import Context
from tests.stubs.runners import PlayedMaking


class Named:
    def __init__(self, name: str, planner: Planner, remote: bool) -> None:
        self.name = name
        self.planner = planner
        self.remote = remote


class Catalogue:
    """Says of every name that its file is in /models."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, question: FindModel, *, within: float) -> ModelFile:
        self.asked.append(question.name)
        assert question.usable
        path = Path(question.name)
        return ModelFile(
            name=path.stem.lower(), path=str(Path("/models") / path.name), origin="models", size_bytes=1, modified=1
        )


def shelf(default: str = "") -> tuple[Shelf, Catalogue]:
    catalogue = Catalogue()
    new = cast("Any", Named)
    return Shelf(cast("Context", catalogue), cast("Making", PlayedMaking()), default, new), catalogue


@pytest.mark.parametrize("name", ["", "default", "small", "Small.gguf", "/packaged/small.gguf"])
def test_the_default_by_all_its_names(name: str) -> None:
    one, _ = shelf()
    assert one.of(name) is one.of("")
    assert [keeper.name for keeper in one] == ["small"]


def test_another_default() -> None:
    one, _ = shelf("/models/Large.gguf")
    assert one.of("default") is one.of("/models/Large.gguf") is one.known("default") is one.known("LARGE")
    assert one.of("small") is not one.of("default")


def test_files_of_the_same_name() -> None:
    one, _ = shelf()
    assert one.of("/a/m.gguf") is not one.of("/b/m.gguf")
    assert [keeper.name for keeper in one] == ["m", "b/m"]
    assert [one.text_of(keeper) for keeper in one] == ["/a/m.gguf", "/b/m.gguf"]


async def test_a_configured_file_is_known_to_the_catalogue_too() -> None:
    one, catalogue = shelf()
    own = one.of("/models/x.gguf")
    assert await one.named("x") is own
    assert catalogue.asked == []
    assert await one.named("/models/x.gguf") is own


async def test_a_name_of_the_catalogue_is_looked_up_once() -> None:
    one, catalogue = shelf()
    first = await one.named("Other.gguf")
    assert await one.named("other") is first
    assert one.of("other") is first
    assert len(catalogue.asked) == 1
    assert one.text_of(first) == "other"


async def test_a_binding_whose_file_has_gone_is_no_fault_of_the_asker() -> None:
    one, catalogue = shelf()

    async def unknown(*_: Any, **__: Any) -> ModelFile:
        raise ModelUnknown("there is no model other")

    catalogue.request = unknown  # type: ignore[method-assign]
    keeper = cast("Named", one.of("other"))
    with pytest.raises(ModelMissing, match="there is no model other"):
        await keeper.planner()


async def test_a_server() -> None:
    one, _ = shelf()
    keeper: Keeper = one.of("http://h/v1#M")
    assert (keeper.name, keeper.remote) == ("http://h/v1#M", True)
    assert one.known("http://h/v1#M") is keeper
    bad = cast("Named", one.of("http://h/v1"))
    with pytest.raises(ModelMissing):
        await bad.planner()


async def test_one_that_is_dropped_is_made_afresh() -> None:
    one, _ = shelf()
    first = await one.named("other")
    one.drop(first)
    assert await one.named("other") is not first
