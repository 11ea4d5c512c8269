"""What is known of a model before it is loaded: its size, its engine's options, and by which names it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.llm.child_runner import ChildMaker
from services.llm.ledger import Need
from services.llm.making import LOAD_S, LOAD_S_PER_GIB, MOST_LOAD_S, PACKAGED_KV, Making
from services.llm.plan import Reference
from services.llm.spec import LLMSettings, _making, specs
from services.messages.models import ModelFile
from solo.isolation.engine import BadEngineInput, ModelCorrupt, ModelMissing
from solo.settings import MachineSettings
from solo.storage import Database
from tests.gguf_files import gguf, number, string

GIB = 1024**3
MIB = 1024**2


def making(tmp_path: Path, **settings: Any) -> Making:
    return _making(LLMSettings(**settings), MachineSettings(state_dir=tmp_path, cores=4, _env_file=None))


def listed(size: int, **more: Any) -> ModelFile:
    return ModelFile(name="m", path="/models/m.gguf", origin="models", size_bytes=size, modified=1.5, **more)


class TestLocal:
    async def test_the_packaged_one(self, tmp_path: Path) -> None:
        one = making(tmp_path)
        plan = await one.local(one.default_name(), None)
        assert one.default_name() == "smollm2-135m-instruct.q4_1"
        assert plan.need == Need(98_362_432, PACKAGED_KV * 2048 * 5, 256 * MIB)
        assert isinstance(plan.maker, ChildMaker)
        assert plan.maker.spec.options == {
            "model": None, "context": 2048, "slots": 4, "threads": 4, "batch_threads": 4, "gpu_layers": 0,
            "host_cache_mb": 256, "draft": "none",
        }  # fmt: skip
        assert (plan.maker.spec.threads, plan.maker.spec.load_within) == (4, plan.within_s)

    async def test_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "Tiny.gguf"
        llama = [string("general.architecture", "llama"), number("llama.block_count", 2)]
        shape = [number("llama.attention.head_count", 4), number("llama.embedding_length", 64)]
        file.write_bytes(gguf(*llama, *shape, number("llama.context_length", 512)))
        one = making(tmp_path, slots=1, host_cache_mb=0)
        plan = await one.local("tiny", file)
        assert plan.context == 512  # as long as it was trained for
        assert plan.need == Need(file.stat().st_size, 2 * 4 * 16 * 2 * 2 * 512 * 2, 0)
        assert isinstance(plan.maker, ChildMaker)
        assert plan.maker.spec.options["model"] == str(file)
        before = plan.content
        file.write_bytes(file.read_bytes() + b"x")
        assert (await one.local("tiny", file)).content != before

    async def test_one_that_is_not_there_or_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing, match=r"none\.gguf"):
            await making(tmp_path).local("none", tmp_path / "none.gguf")
        (tmp_path / "bad.gguf").write_bytes(b"GGUF")
        with pytest.raises(ModelCorrupt, match=r"bad\.gguf"):
            await making(tmp_path).local("bad", tmp_path / "bad.gguf")

    async def test_what_the_catalogue_knows_is_not_read_again(self, tmp_path: Path) -> None:
        known = listed(8 * GIB, kv_bytes_per_token=1000, context=100_000, sha256="a" * 64)
        plan = await making(tmp_path, context=4096).local("m", Path(known.path), known)
        assert (plan.need.weights, plan.need.kv) == (8 * GIB, 1000 * 4096 * 5)
        assert plan.content == "a" * 64 + " 4096"

    @pytest.mark.parametrize(
        ("size", "within_s"),
        [(0, LOAD_S), (10 * GIB, LOAD_S + 10 * LOAD_S_PER_GIB), (10_000 * GIB, MOST_LOAD_S)],
    )
    async def test_a_large_one_may_take_longer(self, tmp_path: Path, size: int, within_s: float) -> None:
        assert (await making(tmp_path).local("m", Path("/m.gguf"), listed(size))).within_s == within_s

    async def test_what_has_ended_an_engine_is_remembered_for_each_model(self, tmp_path: Path) -> None:
        one = making(tmp_path)
        makers = [(await one.local("m", path, listed(1))).maker for path in (Path("/a"), Path("/a"), Path("/b"))]
        first, again, other = (maker.spec.quarantine for maker in makers if isinstance(maker, ChildMaker))
        assert first is again
        assert first is not other

    async def test_a_draft_model_takes_memory_too(self, tmp_path: Path) -> None:
        draft = tmp_path / "draft.gguf"
        draft.write_bytes(b"x" * 1000)
        plan = await making(tmp_path, draft=str(draft)).local("m", Path("/m.gguf"), listed(5000))
        assert plan.need.weights == 6000


class TestRemote:
    def test_url_model_and_key(self, tmp_path: Path) -> None:
        one = making(tmp_path, remote_keys={"http://host:1/v1": "secret"}, first_token_s=7)
        maker: Any = one.remote(Reference.of("http://host:1/v1#a/b:c")).maker
        assert (maker.url, maker.model, maker.key, maker.first_token_s) == ("http://host:1/v1", "a/b:c", "secret", 7)
        assert "secret" not in repr(LLMSettings(remote_keys={"http://host:1/v1": "secret"}))
        other: Any = one.remote(Reference.of("http://other:1/v1#m")).maker
        assert other.key is None

    def test_what_is_no_url(self, tmp_path: Path) -> None:
        with pytest.raises(BadEngineInput):
            making(tmp_path).remote(Reference.of("http://user:pw@host/v1#m"))


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("", "packaged", ""),
        ("Qwen2.5-0.5B.GGUF", "catalogue", "qwen2.5-0.5b"),
        ("models/X.gguf", "file", "x"),
        ("~/m.gguf", "file", "m"),
        ("http://h/v1#M", "remote", "http://h/v1#M"),
        ("x" * 5000, "catalogue", "x" * 5000),
        ("a\x00b", "catalogue", "a\x00b"),
    ],
)
def test_what_models_are_called_by(text: str, kind: str, name: str) -> None:
    reference = Reference.of(text)
    assert (reference.kind, reference.name) == (kind, name)


def test_the_packaged_model_fits_the_smallest_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.llm.spec.machine_bytes", lambda: 512 * MIB)
    (service,) = specs(LLMSettings(), MachineSettings(state_dir=tmp_path, _env_file=None), Database(2))
    policy = service.make()._plan.policy  # type: ignore[attr-defined]
    assert policy.budget_bytes - sum(policy.beside.values()) >= 98_362_432 + PACKAGED_KV * 2048 * 5 + 256 * MIB
