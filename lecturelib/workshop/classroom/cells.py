"""Find the exercises in the code cells of a notebook, whatever its owner did to it.

An exercise is known by the call of its check, `check_attend(answer)`, wherever that stands: cells may have been moved,
copied, or split. What the cell takes from other cells of the notebook is brought along.
"""

import ast
import re
import symtable
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from IPython.core.inputtransformer2 import TransformerManager

COPIES = 3  # so many cells with the same check are looked at: the last ones
_CHECK = re.compile(r"\bcheck_\w+")
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


class Attempt(NamedTuple):
    """One cell that has an answer checked: the check's name, and code that makes the answer.

    `source` is the cell without its checks, below the statements of other cells that it needs; `answer` is the
    expression that was checked; `written` is what to hand in: these statements, and the cell as it was written.
    """

    check: str
    source: str
    answer: str
    written: str


def attempts(cells: list[str], known: Container[str]) -> list[Attempt]:
    """Return what is there for each known check, in the order of the cells; of many copies, the last three."""
    trees = [parse(cell) for cell in cells]
    found: list[Attempt] = []
    for n, (cell, tree) in enumerate(zip(cells, trees, strict=True)):
        if tree is None:  # Python cannot read it either: it will stop with the same error when it is run
            names = [name for name in dict.fromkeys(_CHECK.findall(cell)) if name in known]
            found += [Attempt(name, cell, "...", cell) for name in names]
            continue
        checks = _Checks()
        bare = checks.visit(tree)
        asked = [(name, answer) for name, answer in checks.found if name in known]
        if not asked:
            continue
        try:
            above = "".join(f"{ast.unparse(each)}\n" for each in _needed(bare, asked, n, trees))
            source = above + ast.unparse(bare)
            found += [Attempt(name, source, ast.unparse(answer), above + cell) for name, answer in asked]
        except _UNREADABLE:
            found += [Attempt(name, cell, "...", cell) for name, _ in asked]
    return list(_last(found))


def parse(cell: str) -> ast.Module | None:
    """Parse a code cell with its magics; return None where it is not Python."""
    if cell.lstrip().startswith("%%"):
        cell = cell.lstrip().partition("\n")[2]
    try:
        return ast.parse(TransformerManager().transform_cell(cell))
    except _UNREADABLE:
        return None


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each name that a statement of the outermost level makes by def, class or import."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.split(".")[0], statement


class _Checks(ast.NodeTransformer):
    """Takes the calls of checks and hints out of a cell, and keeps (check, answer) of each."""

    def __init__(self) -> None:
        self.found: list[tuple[str, ast.expr]] = []

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if name.startswith("check_"):
            given = [*node.args, *(keyword.value for keyword in node.keywords), ast.Constant(...)]
            self.found.append((name, given[0]))
            return ast.copy_location(ast.Constant(None), node)
        if name == "hints" and isinstance(called, ast.Attribute) and _CHECK.match(ast.unparse(called.value)):
            return ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)


def _needed(
    cell: ast.Module, asked: list[tuple[str, ast.expr]], place: int, trees: list[ast.Module | None]
) -> list[ast.stmt]:
    """Return the statements of other cells that a cell and its answers need, in order.

    Of several that make the same name it is the last one above, or else the first one below.
    """
    where: dict[str, list[tuple[int, int]]] = {}
    for n, tree in enumerate(trees):
        for k, statement in enumerate(tree.body if tree and n != place else ()):
            for name in _bound(statement):
                where.setdefault(name, []).append((n, k))
    taken: dict[tuple[int, int], ast.stmt] = {}
    own = {name for statement in cell.body for name in _bound(statement)}
    wanted = set().union(_read(cell), *(_read(answer) for _, answer in asked)) - own
    while wanted:
        places = where.get(wanted.pop(), [])
        above = [each for each in places if each[0] < place]
        for n, k in above[-1:] or places[:1]:
            tree = trees[n]
            if tree and (n, k) not in taken:
                taken[n, k] = tree.body[k]
                wanted |= _read(tree.body[k]) - own
    return [taken[each] for each in sorted(taken)]


def _bound(statement: ast.stmt) -> Iterable[str]:
    """Return the names that a statement of the outermost level makes."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    return {name for name, _ in definitions(ast.Module([statement], []))}


def _read(tree: ast.AST) -> set[str]:
    """Return the names that code takes from outside; what a function calls its own variables is no such name."""
    tables = [symtable.symtable(ast.unparse(tree), "<cell>", "exec")]
    outermost, found = tables[0], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (table is outermost or symbol.is_global())
        }
    return found


def _last(found: list[Attempt]) -> Iterator[Attempt]:
    """Yield the attempts without repetitions, at most the last few of each check."""
    distinct = list(dict.fromkeys(reversed(found)))
    for n, attempt in reversed(list(enumerate(distinct))):
        if sum(other.check == attempt.check for other in distinct[:n]) < COPIES:
            yield attempt
