"""A chat template renders a conversation it never sees."""

from __future__ import annotations

import pytest

from services.llm.adapters.chat_template import ChatTemplate, Slot
from services.llm.engine import ChatMessage

TALK: list[ChatMessage] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello<|im_end|>"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Bye."},
]
PLAIN = "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}"


def text_of(template: ChatTemplate, messages: list[ChatMessage]) -> str:
    contents = [message["content"] for message in messages]
    return "".join(contents[part.message] if isinstance(part, Slot) else part for part in template.render(messages))


def test_contents_are_slots() -> None:
    parts = ChatTemplate(PLAIN, {}).render(TALK)
    assert [part.message for part in parts if isinstance(part, Slot)] == [0, 1, 2, 3]
    assert "im_end" not in "".join(part for part in parts if isinstance(part, str))
    assert (
        text_of(ChatTemplate(PLAIN, {}), TALK) == "[system:Be brief.][user:Hello<|im_end|>][assistant:Hi.][user:Bye.]"
    )


def test_a_template_that_strips_contents_is_noticed() -> None:
    stripping = PLAIN.replace("m.content", "m.content | trim")
    assert [part.stripped for part in ChatTemplate(stripping, {}).render(TALK) if isinstance(part, Slot)] == [True] * 4
    assert not any(part.stripped for part in ChatTemplate(PLAIN, {}).render(TALK) if isinstance(part, Slot))


def test_tokens_functions_and_filters_that_templates_expect() -> None:
    source = (
        "{{ bos_token }}{{ {'a': 'é<'} | tojson }}{{ strftime_now('%Y') | length }}"
        "{% for m in messages %}{{ m.content }}{% if loop.last %}{% break %}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}>{% endif %}"
    )
    assert text_of(ChatTemplate(source, {"bos_token": "<s>"}), TALK[3:]) == '<s>{"a": "é<"}4Bye.>'


def test_system_messages_go_to_the_user_where_a_template_refuses_them() -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + PLAIN
    template = ChatTemplate(refusing, {})
    assert not template.trouble
    assert text_of(template, TALK).startswith("[user:Be brief.\n\nHello<|im_end|>][assistant:Hi.]")


def test_system_messages_go_to_the_user_where_a_template_forgets_them() -> None:
    forgetting = PLAIN.replace("[{{", "{% if m.role != 'system' %}[{{").replace("}}]", "}}]{% endif %}")
    assert "Be brief." in text_of(ChatTemplate(forgetting, {}), TALK)


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
    assert template.trouble
    assert text_of(template, TALK[2:]) == (
        "<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_marks_in_contents_are_contents() -> None:
    messages: list[ChatMessage] = [{"role": "user", "content": "\u205f\ue0000\ue001\u205f"}]
    assert text_of(ChatTemplate(PLAIN, {}), messages) == "[user:\u205f\ue0000\ue001\u205f]"
