"""Library code in a notebook, as one would write it on a blackboard."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable

_CHECK = re.compile(r"(.*\.)?_?check(_|$)")  # how the functions are called that only refuse bad input


class Shown:
    """Source code: highlighted in a notebook, plain text elsewhere."""

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

    >>> from lecturelib.attention import MultiHeadAttention
    >>> print(show(MultiHeadAttention.merge))
    def merge(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).flatten(2)
    """
    try:
        sources = [textwrap.dedent(inspect.getsource(each)) for each in objects]
    except (TypeError, OSError):
        sources = []
    if not sources:
        raise ValueError(f"show{objects}: expected functions or classes of the library, as in show(attend)")
    return Shown("\n\n\n".join(map(_bare, sources)))


def _bare(source: str) -> str:
    """Return a source without what is left out."""
    lines: list[str | None] = list(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and _left_out(node):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            lines[first:last] = [None] * (last - first)
    left = "\n".join(line for line in lines if line is not None)
    left = re.sub(r"(?m)((?:^(?:class|def|    def) .*|^ *\) -> .*):)\n\n+", r"\1\n", left)  # where a docstring stood
    return re.sub(r"\n{3,}", "\n\n", left).rstrip()


def _left_out(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring, or does nothing but refuse bad input."""
    if isinstance(statement, ast.Expr):
        value = statement.value
        called = isinstance(value, ast.Call) and _CHECK.match(ast.unparse(value.func))
        return bool(called) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
    if isinstance(statement, ast.If | ast.For):
        return all(isinstance(each, ast.Raise) or _left_out(each) for each in statement.body) and not statement.orelse
    return isinstance(statement, ast.FunctionDef) and bool(_CHECK.match(statement.name))
