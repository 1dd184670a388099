"""A Jinja environment for templates that come with a model file, which may be hostile.

On top of jinja2's own sandbox, which keeps a template from Python's internals, this one bounds what it can cost: steps,
time, characters written, and the size of every value. Jinja's hooks see calls, attributes and operators; loops, macros,
concatenation and literals are made visible by rewriting the template's syntax tree. Chat messages are not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from spatz.prompt.bounded import FILTERS, OPERATORS, STR_METHODS, Budget, check_value, current, finalize, join, metered

__all__ = ["BoundedEnvironment"]

# fmt: off
_STR_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii",
    "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip",
    "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip",
    "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper",
})
_FILTERS = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round", "safe",
    "select", "selectattr", "sort", "string", "title", "trim", "unique", "upper",
})
# fmt: on
_METHODS: dict[type, frozenset[str]] = {
    str: _STR_METHODS,
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}
_GLOBALS = frozenset({"range", "namespace"})  # range is jinja2's, which stops at 100,000


class _Meter(NodeTransformer):
    """Rewrites a syntax tree so that everything that repeats counts its steps, and everything that grows is checked."""

    def _body(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        literal = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        tick = nodes.Call(nodes.EnvironmentAttribute("meter_step"), [nodes.Const(literal)], [], None, None)
        node.body.insert(0, nodes.ExprStmt(tick, lineno=node.lineno))
        return node  # type: ignore[no-any-return]

    visit_Macro = visit_CallBlock = visit_Block = _body

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self._body(node)
        if node.test is not None:  # {% for x in y if test %} skips rounds before the body is reached
            node.test = nodes.And(self._checked("meter_value", nodes.Const(True), node), node.test)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        return self._checked("meter_concat", nodes.List(self._expressions(node.nodes)), node)

    def _container(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        # A target of an assignment is written like a tuple, and is not a value.
        if getattr(node, "ctx", "load") != "load":
            return node
        return self._checked("meter_value", node, node)

    visit_List = visit_Tuple = visit_Dict = _container

    def _expressions(self, items: list[nodes.Expr]) -> list[nodes.Expr]:
        return [self.visit(item) for item in items]

    def _checked(self, attribute: str, argument: nodes.Expr, at: nodes.Node) -> nodes.Node:
        call = nodes.Call(nodes.EnvironmentAttribute(attribute), [argument], [], None, None)
        return call.set_lineno(at.lineno)

    def _refuse(self, node: nodes.Node) -> nodes.Node:
        raise TemplateSyntaxError("other templates cannot be used", node.lineno)

    visit_Extends = visit_Include = visit_Import = visit_FromImport = _refuse


class _Generation(Extension):
    """{% generation %}: marks what the assistant says, for training. It renders what is in it."""

    tags = {"generation"}  # noqa: RUF012 (an instance attribute in jinja2's types)

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Renders like the environment that chat templates are written for, within a budget."""

    intercepted_binops = frozenset(OPERATORS)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", _Generation],
            finalize=finalize,
            optimized=False,  # else constant expressions are worked out when the template is compiled, unbounded
            cache_size=0,
        )
        filters = {name: self.filters[name] for name in _FILTERS}
        self.filters = {name: metered(function) for name, function in (filters | FILTERS).items()}
        self.globals = {name: self.globals[name] for name in _GLOBALS} | {"dict": self.make_dict}

    @contextmanager
    def spending(self, budget: Budget) -> Iterator[None]:
        """Rendering is possible only inside this."""
        token = current.set(budget)
        try:
            yield
        finally:
            current.reset(token)

    def from_source(self, source: str) -> Template:
        return self.from_string(_Meter().visit(self.parse(source)))

    # Called by what _Meter has put into the tree.
    def meter_step(self, literal: int) -> None:
        current.get().step(literal)

    def meter_concat(self, parts: list[Any]) -> str:
        return join(parts)

    def meter_value(self, value: Any) -> Any:
        current.get().step()
        check_value(value)
        return value

    def make_dict(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return self.meter_value(dict(*args, **kwargs))  # type: ignore[no-any-return]

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, allowed in _METHODS.items():
            if isinstance(obj, kind):
                return attr in allowed
        # Namespaces, loops, macros and the undefined keep what the sandbox leaves them; nothing else has attributes.
        return isinstance(obj, Namespace | LoopContext | Macro | Undefined) and super().is_safe_attribute(
            obj, attr, value
        )

    def wrap_str_format(self, value: Any) -> None:
        return None  # jinja2 would hand out its own str.format, whose fields can have any width; see STR_METHODS

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        current.get().step()
        return OPERATORS[operator](left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # jinja2's names
        current.get().step()
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str) and __obj.__name__ in STR_METHODS:
            for internal in ("_loop_vars", "_block_vars"):  # the compiler adds them inside loops, for its own functions
                kwargs.pop(internal, None)
            return STR_METHODS[__obj.__name__](owner, *args, **kwargs)
        return super().call(__context, __obj, *args, **kwargs)
