"""The whole daemon where there is no network but loopback: it answers, tries nothing, and proves that it could not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.loopback import namespace

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    alone = namespace()
    if not alone:
        pytest.skip("this system allows no network namespaces")
    line = [*alone, sys.executable, "-m", "tests.loopback", str(tmp_path_factory.mktemp("privacy"))]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_there_is_nothing_but_loopback(told: dict[str, Any]) -> None:
    assert told["devices"] == ["lo"]


@pytest.mark.parametrize("way", ["typed", "spoken"])
def test_it_answers(told: dict[str, Any], way: str) -> None:
    assert told[way]["code"] == 0, told[way]["errors"]
    # Which of the two the packaged model says depends on the processor's rounding.
    assert any(word in told[way]["said"]["said"].lower() for word in ("paris", "france"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_tried_nothing(told: dict[str, Any], when: str) -> None:
    assert told[when] == {"enforced": True, "refused": 0, "hosts": [], "allowed": []}


def test_the_doctor_proves_it(told: dict[str, Any]) -> None:
    assert told["doctor"]["code"] == 0, told["doctor"]["errors"]
    report = told["doctor"]["said"]
    assert report["proven"] and report["of"] == "daemon"
    by = {where: {each["refused_by"] for each in report["attempts"] if each["where"] == where} for where in _WHERE}
    assert by == _WHERE


_WHERE = {"daemon": {"solo"}, "engine child": {"kernel"}}


def test_no_engine_shares_the_network(told: dict[str, Any]) -> None:
    engines = [each for each in told["doctor"]["said"]["children"] if each["program"] == "solo.isolation.worker"]
    assert len(engines) >= 4
    assert {each["shares"] for each in engines} == {False}
