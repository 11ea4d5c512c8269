"""Changes the tree of a Jinja template so that whatever may run more than once is paid for.

This module imports Jinja: import it where a template is needed, not before.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer


class Generation(Extension):
    """The block `{% generation %}` marks the assistant's words for training; here it is its content."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Scope:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class Meter(NodeTransformer):
    """Puts a payment into every body that may run more than once."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> Any:
        if node.test is not None:  # runs for every element, also where the body does not
            node.test = nodes.And(self._tick(4, node.lineno), node.test, lineno=node.lineno)
        return self._metered(node)

    def visit_Macro(self, node: nodes.Macro) -> Any:
        return self._metered(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> Any:
        return self._metered(node)

    def visit_Block(self, node: nodes.Block) -> Any:
        return self._metered(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:
        self.generic_visit(node)
        return self._call("concat_texts", list(node.nodes), node.lineno)

    def _metered(self, node: Any) -> Any:
        cost = sum(
            1 + (len(inner.data) if isinstance(inner, nodes.TemplateData) else 0) for inner in node.find_all(nodes.Node)
        )
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(self._tick(cost + 1, node.lineno), lineno=node.lineno))
        return node

    def _tick(self, cost: int, line: int) -> nodes.Call:
        return self._call("tick", [nodes.Const(cost, lineno=line)], line)

    def _call(self, name: str, args: list[nodes.Expr], line: int) -> nodes.Call:
        function = nodes.EnvironmentAttribute(name, lineno=line)
        call = nodes.Call(function, args, [], None, None, lineno=line)
        return call.set_environment(self._environment)  # type: ignore[return-value]
