"""Refuses questions that no engine should see, by name, before one does."""

from __future__ import annotations

from services.llm.engine import PromptTooLong
from services.messages.language import ChatMessage, Complete, Form, Tool
from solo.isolation.engine import BadEngineInput

MOST_MESSAGES = 10_000
MOST_TEXT = 16 * 1024**2
"""Characters of all messages together: above what the largest contexts hold."""
MOST_IMAGES = 32 * 1024**2
"""Bytes of all pictures together."""
MOST_STOPS = 16
LONGEST_STOP = 256
MOST_TOOLS = 128
LONGEST_TOKEN = 512
"""Characters; far above the longest token of usual vocabularies. What has more of them for each token of the context
cannot fit."""
_SEEDS = 2**63


def check(question: Complete) -> None:
    """Raise `BadEngineInput` or `PromptTooLong`."""
    if question.prompt is not None:
        _check_prompt(question, question.prompt)
    else:
        check_messages(question.messages)
    if question.messages and question.messages[-1].role not in {"user", "tool"}:
        raise BadEngineInput(
            "the last message is neither the user's nor a tool's",
            hint="End the messages with the question; the beginning of an answer goes into `prefix`.",
        )
    if len(question.prefix) > MOST_TEXT:
        raise PromptTooLong(f"the beginning of the answer has {len(question.prefix)} characters", hint="Shorten it.")
    if len(question.stop) > MOST_STOPS or not all(0 < len(stop) <= LONGEST_STOP for stop in question.stop):
        raise BadEngineInput(
            f"a question may have {MOST_STOPS} stop strings of 1 to {LONGEST_STOP} characters", hint="Leave some out."
        )
    seed = question.sampling.seed
    if seed is not None and not -_SEEDS <= seed < _SEEDS:
        raise BadEngineInput(f"the seed {seed} has more than 64 bits", hint="Use a smaller one.")
    if question.form is not None:
        _check_form(question.form)
    _check_tools(question.tools, question.tool_choice)


def check_messages(messages: tuple[ChatMessage, ...]) -> None:
    """Raise `BadEngineInput` or `PromptTooLong` for what is no prompt, or can fit no model."""
    if not messages:
        raise BadEngineInput("there is no message to answer", hint="Send at least one message of the user.")
    if len(messages) > MOST_MESSAGES:
        raise BadEngineInput(f"{len(messages)} messages are too many", hint=f"Send at most {MOST_MESSAGES}.")
    text = sum(len(message.content) for message in messages)
    if text > MOST_TEXT:
        raise PromptTooLong(f"the messages have {text} characters", hint="Shorten them.")
    pictures = sum(len(image) for message in messages for image in message.images)
    if pictures > MOST_IMAGES:
        raise BadEngineInput(f"the pictures have {pictures} bytes", hint=f"Send at most {MOST_IMAGES} together.")


def check_length(question: Complete, context: int | None) -> None:
    """Raise `PromptTooLong` when what cannot be left out, the last message or the bare text, cannot fit this context,
    whatever its tokens are."""
    length = len(question.messages[-1].content if question.prompt is None else question.prompt)
    if context and length > context * LONGEST_TOKEN:
        raise PromptTooLong(
            f"the question has {length} characters, which is more than {context} tokens can hold",
            hint="Shorten it, or raise SOLO_LLM__CONTEXT.",
        )


def _check_prompt(question: Complete, prompt: str) -> None:
    if not prompt:
        raise BadEngineInput("there is no text to go on with", hint="Send at least one character.")
    if question.messages or question.tools or question.prefix:
        raise BadEngineInput(
            "bare text takes no messages, no tools and no beginning of an answer", hint="Ask with a conversation."
        )
    if len(prompt) > MOST_TEXT:
        raise PromptTooLong(f"the prompt has {len(prompt)} characters", hint="Shorten it.")


def _check_form(form: Form) -> None:
    if (form.json_schema is None) == (form.grammar is None):
        raise BadEngineInput("a form is either a JSON schema or a grammar", hint="Set exactly one of them.")


def _check_tools(tools: tuple[Tool, ...], choice: str) -> None:
    names = [tool.name for tool in tools]
    if len(names) > MOST_TOOLS:
        raise BadEngineInput(f"{len(names)} tools are too many", hint=f"Offer at most {MOST_TOOLS}.")
    if len(set(names)) != len(names):
        raise BadEngineInput("two tools have the same name", hint="Give each its own.")
    if choice not in {"auto", "none", *names} and not (choice == "required" and names):
        raise BadEngineInput(
            f"tool_choice is {choice[:100]!r}", hint="Use auto, none, required, or the name of a tool that is offered."
        )
