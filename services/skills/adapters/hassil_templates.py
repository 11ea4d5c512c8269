"""Sentence templates by hassil, and YAML by the parser that it stands on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.skills.sentences import Found, Shape, Slot, TemplateBroken

MOST_TRIED = 64
"""Ways in which a sentence may fit that are looked at."""
_KEYS = ("intents", "lists", "expansion_rules")


class HassilTemplates:
    def __init__(self, intents: Any) -> None:
        from hassil.recognize import recognize_all

        self._intents = intents
        self._recognise = recognize_all
        self._compile()

    def _compile(self) -> None:
        """hassil parses sentences when they are first needed; that would be in somebody's question."""
        for intent in self._intents.intents.values():
            for data in intent.data:
                for sentence in data.sentences:
                    sentence.get_required_clauses({**self._intents.expansion_rules, **data.expansion_rules})
        for _ in self._recognise("a sentence that warms the caches up", self._intents):
            pass

    def find(self, text: str) -> Iterator[Found]:
        for count, result in enumerate(self._recognise(text, self._intents), start=1):
            slots: dict[str, Slot] = {}
            fixed: dict[str, str] = {}
            for entity in result.entities_list:
                if entity.text_span is None:
                    fixed[entity.name] = str(entity.value)
                elif entity.is_wildcard:
                    said = entity.text.strip()
                    at = text.find(said, max(0, entity.text_span[0]))
                    slots[entity.name] = Slot(said, entity.text_span[0] if at < 0 else at)
                else:
                    slots[entity.name] = Slot(str(entity.value), entity.text_span[0])
            yield Found(result.intent.name, slots, fixed)
            if count >= MOST_TRIED:
                return


class HassilCompiler:
    """Imports hassil when it is first asked for something."""

    def compile(self, language: str, documents: Sequence[Mapping[str, Any]]) -> HassilTemplates:
        from hassil.errors import MissingListError, MissingRuleError
        from hassil.intents import Intents
        from hassil.parser import ParseError

        whole: dict[str, Any] = {"language": language, **{key: {} for key in _KEYS}}
        for document in documents:
            for key in _KEYS:
                for name, value in document.get(key, {}).items():
                    if name in whole[key]:
                        raise TemplateBroken(f"{name} is in two files")
                    whole[key][name] = value
        try:
            return HassilTemplates(Intents.from_dict(whole))
        except (ParseError, MissingListError, MissingRuleError, AssertionError) as error:
            raise TemplateBroken(f"a sentence template is wrong: {error or type(error).__name__}") from error

    def read(self, text: str) -> Any:
        import yaml

        return yaml.safe_load(text)

    def read_with_lines(self, text: str) -> tuple[Any, Mapping[tuple[str | int, ...], int]]:
        import yaml

        try:
            for token in yaml.scan(text, Loader=yaml.SafeLoader):
                if isinstance(token, yaml.AnchorToken | yaml.AliasToken):  # small files that grow large
                    raise TemplateBroken("has & or * of YAML", hint="Write it out.", line=token.start_mark.line + 1)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise TemplateBroken(
                f"is not YAML: {error.problem}",
                hint="Mind the indentation, and put texts with : # { or [ into quotation marks.",
                line=mark.line + 1 if mark else 1,
            ) from None
        except (yaml.YAMLError, RecursionError) as error:
            raise TemplateBroken(f"is not YAML: {error}") from None
        lines: dict[tuple[str | int, ...], int] = {}
        return (None if node is None else _value(node, (), lines)), lines

    def shape(self, sentence: str, lists: Mapping[str, Sequence[str]]) -> Shape:
        from hassil.parse_expression import parse_sentence
        from hassil.parser import ParseError

        try:
            parsed = parse_sentence(sentence)
            rules = [word for word in ("<", ">") if word in sentence]
            if rules:
                raise TemplateBroken("has < or >, which are for rules, and a file has none")
            clauses = parsed.get_required_clauses({})
            return Shape(_ways(parsed.expression), bool(clauses))
        except (ParseError, AssertionError, RecursionError) as error:
            raise TemplateBroken(f"the sentence is not well formed: {error or sentence}") from error


def _value(node: Any, place: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> Any:
    """Every scalar is text: `- yes` is the word, not true."""
    import yaml

    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                raise TemplateBroken(
                    f"{name} is there twice", hint="Give one another name.", line=key.start_mark.line + 1
                )
            found[name] = _value(value, (*place, name), lines)
            lines[(*place, name)] = key.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(value, (*place, index), lines) for index, value in enumerate(node.value)]
    return str(node.value) if node.value or node.style else None


def _ways(expression: Any) -> int:
    from hassil.expression import Alternative, Permutation, Sequence

    if isinstance(expression, Alternative):
        return sum(_ways(item) for item in expression.items)
    if isinstance(expression, Permutation):
        return math.factorial(len(expression.items)) * math.prod(_ways(item) for item in expression.items)
    if isinstance(expression, Sequence):
        return math.prod(_ways(item) for item in expression.items)
    return 1
