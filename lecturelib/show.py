"""Library code in a notebook, as one would write it on a blackboard.

show    the source of functions and classes, without docstrings and without the refusal of bad input
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator

_CHECK = re.compile(r"_?check(_|$)")  # how the functions are called that only refuse bad input


class Shown:
    """Source code: highlighted in a notebook, plain text elsewhere.

    Tool: from notebook 00 on.
    """

    def __init__(self, code: str) -> None:
        self.code = code

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```"


def show(*objects: Callable[..., object]) -> Shown:
    """Show the source of functions and classes of the library, without docstrings and the refusal of bad input.

    Comments that stand beside what is left stay, the shapes among them.
    Raises: ValueError for nothing, and for what Python has no source of.
    Tool: from notebook 00 on.

    >>> from lecturelib.attention import MultiHeadAttention
    >>> print(show(MultiHeadAttention.merge))
    def merge(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).flatten(2)
    """
    if not objects:
        raise ValueError("show() was given nothing: expected functions or classes, as in show(attend)")
    return Shown("\n\n\n".join(map(_bare, objects)))


def _bare(object: Callable[..., object]) -> str:
    """Return the source of one object without what is left out."""
    try:
        source = textwrap.dedent(inspect.getsource(object))
    except (TypeError, OSError):
        raise ValueError(f"Python has no source of {object!r}: expected a function or a class of the library") from None
    lines: list[str | None] = list(source.splitlines())
    for body, gone in _thinned(ast.parse(source)):
        for each in gone:
            first, last = each.lineno - 1, each.end_lineno or each.lineno
            while (lines[first - 1] or "").lstrip().startswith("#"):  # what is said of it
                first -= 1
            lines[first:last] = [None] * (last - first)
        if body and len(gone) == len(body):  # a body must not be empty
            lines[body[0].lineno - 1] = f"{' ' * body[0].col_offset}..."
    left = "\n".join(line for line in lines if line is not None)
    left = re.sub(r"(?m)((?:^(?:class|def|    def) .*|^ *\) -> .*):)\n\n+", r"\1\n", left)  # where a docstring stood
    return re.sub(r"\n{3,}", "\n\n", left).rstrip()


def _thinned(node: ast.AST) -> Iterator[tuple[list[ast.stmt], list[ast.stmt]]]:
    """Yield each list of statements, with those of them that are left out; what is inside of these is not visited."""
    inside = [] if isinstance(node, ast.Module) else getattr(node, "body", [])
    body = inside if isinstance(inside, list) else []  # of a lambda it is an expression
    gone = [each for each in body if _is_docstring(each, node) or _refuses(each)]
    yield body, gone
    for each in ast.iter_child_nodes(node):
        if each not in gone:
            yield from _thinned(each)


def _is_docstring(statement: ast.stmt, of: ast.AST) -> bool:
    return (
        isinstance(of, ast.FunctionDef | ast.ClassDef)
        and statement is of.body[0]
        and isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _refuses(statement: ast.stmt) -> bool:
    """Return whether a statement does nothing but refuse bad input."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return bool(_CHECK.match(name))
    if isinstance(statement, ast.FunctionDef):
        return bool(_CHECK.match(statement.name))
    if isinstance(statement, ast.If | ast.For):
        inside = [(isinstance(each, ast.Raise) and _is_value_error(each)) or _refuses(each) for each in statement.body]
        return all(inside) and not statement.orelse
    return False


def _is_value_error(statement: ast.Raise) -> bool:
    return isinstance(statement.exc, ast.Call) and getattr(statement.exc.func, "id", "") == "ValueError"
