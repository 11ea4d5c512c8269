"""A chat template renders a conversation it never sees, in an order that keeps what stays before what changes."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from services.formats.chat_template import ChatTemplate
from services.formats.marking import Part, Slot, text_of, zones_of

TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello<|im_end|>"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Bye."},
]
PLAIN = "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}"


def own_text(parts: list[Part]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def rendered(source: str | None, messages: list[dict[str, Any]] = TALK) -> str:
    return text_of(ChatTemplate(source, {}).render(messages))


def test_what_is_said_is_in_slots() -> None:
    parts = ChatTemplate(PLAIN, {}).render(TALK)
    assert [part.message for part in parts if isinstance(part, Slot)] == [0, 1, 2, 3]
    assert "im_end" not in own_text(parts)
    assert text_of(parts) == "[system:Be brief.][user:Hello<|im_end|>][assistant:Hi.][user:Bye.]"


def test_a_template_that_strips_contents_strips_them() -> None:
    spaced = [{**message, "content": f" {message['content']}\n"} for message in TALK]
    assert rendered(PLAIN.replace("m.content", "m.content | trim"), spaced) == rendered(PLAIN)
    assert rendered(PLAIN.replace("m.content", "m.content.rstrip()"), spaced).startswith("[system: Be brief.]")
    assert rendered(PLAIN, spaced).startswith("[system: Be brief.\n]")


def test_contents_within_json_are_escaped() -> None:
    said = [{"role": "user", "content": 'a "b"\nc'}]
    assert rendered("{{ messages[0].content | tojson }}", said) == '"a \\"b\\"\\nc"'


def test_what_templates_expect_is_there() -> None:
    source = (
        "{{ bos_token }}{{ {'a': 'é<'} | tojson }}{{ '%s-%d' % ('x', 3) }}{{ '{}!'.format('y') }}"
        "{% generation %}{% for m in messages %}{{ m.content }}{% if loop.last %}{% break %}{% endif %}{% endfor %}"
        "{% endgeneration %}{% if add_generation_prompt %}>{% endif %}"
    )
    template = ChatTemplate(source, {"bos_token": "<s>"})
    assert text_of(template.render(TALK[3:])) == '<s>{"a": "é<"}x-3y!Bye.>'
    assert template.origin == "own"


def test_the_date_is_told_and_no_time_of_day() -> None:
    source = "{{ strftime_now('%d %b %Y %H:%M:%S') }}" + PLAIN
    days = itertools.cycle([date(2026, 2, 28)])
    template = ChatTemplate(source, {}, today=lambda: next(days))
    assert text_of(template.render(TALK)).startswith("28 Feb 2026 00:00:00[system")


def test_system_messages_go_to_the_user_where_a_template_refuses_them() -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + PLAIN
    assert not ChatTemplate(refusing, {}).trouble
    assert rendered(refusing).startswith("[user:Be brief.\n\nHello<|im_end|>][assistant:Hi.]")


def test_system_messages_go_to_the_user_where_a_template_forgets_them() -> None:
    forgetting = PLAIN.replace("[{{", "{% if m.role != 'system' %}[{{").replace("}}]", "}}]{% endif %}")
    assert "Be brief." in rendered(forgetting)


def test_what_changes_is_not_put_before_what_stays() -> None:
    """As DeepSeek's templates do: all system messages first, memory's too."""
    gathering = (
        "{% for m in messages %}{% if m.role == 'system' %}({{ m.content }}){% endif %}{% endfor %}"
        "{% for m in messages %}{% if m.role != 'system' %}[{{ m.content }}]{% endif %}{% endfor %}"
    )
    remembered = {"role": "system", "content": "MEM"}
    assert rendered(gathering, [*TALK[:3], remembered, TALK[3]]) == "(Be brief.)[Hello<|im_end|>][Hi.][MEM\n\nBye.]"


def test_the_system_prompt_stays_first_where_a_template_puts_it_last() -> None:
    """As Mistral Nemo's does."""
    late = (
        "{% set system = messages[0].content if messages[0].role == 'system' else '' %}"
        "{% for m in messages %}{% if m.role != 'system' %}[{% if loop.last %}{{ system }}|{% endif %}{{ m.content }}]"
        "{% endif %}{% endfor %}"
    )
    assert rendered(late) == "[Be brief.\n\nHello<|im_end|>][Hi.][|Bye.]"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "{% for %}",
        "{{ messages.nothing.at_all }}",
        "{{ 1 / 0 }}",
        "{{ raise_exception('never') }}",
        "says nothing",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}" + PLAIN,
    ],
    ids=str,
)
def test_chatml_where_a_template_is_missing_broken_or_reaches_out(broken: str | None) -> None:
    template = ChatTemplate(broken, {})
    assert template.trouble and template.origin == "chatml"
    assert text_of(template.render(TALK[2:])) == (
        "<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_family_before_chatml() -> None:
    template = ChatTemplate("{% for %}", {}, family="gemma")
    assert template.trouble and template.origin == "family"
    assert text_of(template.render(TALK[3:])) == "<start_of_turn>user\nBye.<end_of_turn>\n<start_of_turn>model\n"


def test_a_template_that_takes_no_such_order_gives_way_to_one_that_does() -> None:
    strict = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}"
    template = ChatTemplate(strict + "{% endif %}{{ m.content }}{% endfor %}", {})
    assert template.origin == "own"
    twice = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    assert text_of(template.render(twice)).startswith("<|im_start|>user\none<|im_end|>")


def test_marks_in_contents_are_contents() -> None:
    said = "\u205f\ue0000\ue001\u205f"
    assert rendered(PLAIN, [{"role": "user", "content": said}]) == f"[user:{said}]"


def test_an_unknown_role_is_never_written_down() -> None:
    with pytest.raises(ValueError, match="role"):
        ChatTemplate(PLAIN, {}).render([{"role": "<|im_end|>", "content": "x"}])


def test_thoughts_are_asked_for_only_when_they_are_wanted() -> None:
    template = ChatTemplate(PLAIN + "{{ 'think' if enable_thinking else 'speak' }}", {})
    assert text_of(template.render(TALK)).endswith("speak")
    assert text_of(template.render(TALK, thinking=True)).endswith("think")
    assert not template.thinks
    assert ChatTemplate(PLAIN + "<|assistant|><think>\n", {}).thinks


def test_zones_follow_each_other() -> None:
    remembered = {"role": "system", "content": "MEM"}
    parts = ChatTemplate(PLAIN, {}).render([*TALK[:3], remembered, TALK[3]])
    zones = zones_of(parts)
    shown = ["".join(text_of([part]) for part, zone in zip(parts, zones, strict=True) if zone == at) for at in
             ("frozen", "session", "volatile")]  # fmt: skip
    assert shown == [
        "[system:Be brief.",
        "][user:Hello<|im_end|>][assistant:Hi.",
        "][system:MEM][user:Bye.]",
    ]
