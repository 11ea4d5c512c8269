"""No template reaches out of its sandbox, hangs, or fills the memory: it is given up, with a reason."""

from __future__ import annotations

import sys

import pytest

from services.formats.chat_template import ChatTemplate
from services.formats.marking import text_of
from services.formats.sandbox import FAILURES, Sandbox
from tests.hostile_templates import HOSTILE, SAYS

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
HARMLESS = {"globals of a macro"}
"""Shows nothing where it reaches out, and goes on."""
SECRETS = ("subclasses", "__builtins__", "root:", "object at 0x", "<class", "getcwd", "/home")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_given_up_with_a_reason(name: str) -> None:
    template = ChatTemplate(HOSTILE[name], {})
    assert bool(template.trouble) == (name not in HARMLESS)
    assert "\n" not in template.trouble and len(template.trouble) < 300
    prompt = text_of(template.render(TALK))
    assert "Hello" in prompt and "Be brief." in prompt
    assert not any(secret in prompt for secret in SECRETS)


def test_a_well_behaved_one_is_not() -> None:
    assert ChatTemplate(SAYS, {}).origin == "own"


def test_the_work_depends_on_the_template_alone() -> None:
    """The same budget is spent whatever the machine is busy with."""
    sandbox = Sandbox()
    render = sandbox.compiled("{% for i in range(500) %}{{ i }}{% endfor %}")
    left = []
    for _ in range(2):
        render({"messages": []}, 0)
        left.append(sandbox._left)
    assert left[0] == left[1]


def test_a_loop_stops_when_its_budget_is_spent() -> None:
    steps = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal steps
        steps += event == "call"

    render = Sandbox().compiled("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}")
    sys.setprofile(count)
    try:
        with pytest.raises(FAILURES, match="too long"):
            render({}, 0)
    finally:
        sys.setprofile(None)
    assert steps < 2_000_000


def test_a_template_that_takes_too_long_once_is_not_tried_again() -> None:
    """It behaves when it is tried, with one message, and not with ten."""
    waiting = (
        "{% if messages|length > 5 %}{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"
    )
    template = ChatTemplate(waiting + "{% endif %}" + SAYS, {}, family="zephyr")
    assert template.origin == "own"
    talk = [{"role": role, "content": "x"} for role in ["user", "assistant"] * 5] + [{"role": "user", "content": "y"}]
    assert text_of(template.render(talk)).startswith("<|user|>\nx")
    assert template.origin == "family" and "too long" in template.trouble
