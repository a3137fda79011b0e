"""Find the exercises in the code cells of a notebook, whatever its owner did to it.

An exercise is known by the call of its check, `check_attend(answer)`, wherever that stands: cells may have been moved,
copied, or split. To an answer belongs every statement of the outermost level that binds or changes a name that it
needs, whatever its form: these are taken from all cells, in order, and the others are left behind.
"""

import ast
import builtins
import re
import symtable
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

COPIES = 3  # so many different cells with the same check are looked at: a kernel's history may hold hundreds
_CHECK = re.compile(r"\bcheck_\w+")
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_MAGIC = re.compile(r"(?m)^([ \t]*)(?:%time[ \t]+(?=\S)|(?:[%!?].*|[\w.]+\?{1,2}[ \t]*$))")
_CALLED = re.compile(r"(?m)(?<![=!<>])=[ \t]*[!%].*$")  # x = !ls
_COMPOUND = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_WILD = {"exec", "globals", "locals", "vars", "setattr", "delattr"}  # what these bind stands nowhere
_ANY = "*"  # the name of whatever such a statement binds
_HARMLESS = {*dir(builtins)} - _WILD - {"next", "map", "filter"}
_IN_A_TEXT = "your answer stands in a text cell, which nobody runs. Make it a code cell: press Esc, then Y."


class Attempt(NamedTuple):
    """One cell that has an answer checked: the check's name, and code that makes the answer.

    `source` are the statements that it needs; `answer` is the expression that was checked; `written` is what to hand
    in: the needed statements of other cells, and the cell as it was written. `fault` is a verdict that needs no trial.
    """

    check: str
    source: str
    answer: str
    written: str
    fault: tuple[str, str] | None = None


def attempts(cells: list[str], known: Container[str], texts: Iterable[str] = ()) -> list[Attempt]:
    """Return what is there for each known check, in the order of the cells; of many copies, the last three.

    `texts` are the text cells: an answer that stands in one is named.
    """
    trees = [parse(cell) for cell in cells]
    asked: list[tuple[int, int, str, ast.expr | None]] = []
    bare: list[tuple[int, ast.stmt]] = []
    for n, tree in enumerate(trees):
        for statement in tree.body if tree else ():
            checks = _Checks()
            bare.append((n, checks.visit(statement)))
            asked += [(n, len(bare), name, answer) for name, answer in checks.found if name in known]
        if tree is None:  # Python cannot read it either: it will stop with the same error when it is run
            names = [name for name in dict.fromkeys(_CHECK.findall(cells[n])) if name in known]
            asked += [(n, len(bare), name, None) for name in names]
    needs = _Needs([each for _, each in bare]) if asked else None
    found = []
    for n, place, check, answer in asked:
        cell = cells[n]
        try:
            if answer is None or not needs:
                raise ValueError
            taken = needs.of(answer, place)
            source = "".join(f"{ast.unparse(bare[each][1])}\n" for each in taken)
            above = "".join(f"{ast.unparse(bare[each][1])}\n" for each in taken if bare[each][0] != n)
            found.append(Attempt(check, source, ast.unparse(answer), above + cell))
        except _UNREADABLE:
            found.append(Attempt(check, cell, "...", cell))
    last: list[Attempt] = []
    for attempt in dict.fromkeys(reversed(found)):
        if sum(each.check == attempt.check for each in last) < COPIES:
            last.insert(0, attempt)
    return [*last, *_misplaced(found, known, texts)]


def parse(cell: str) -> ast.Module | None:
    """Parse a code cell without its magics; return None where it is not Python."""
    if cell.lstrip().startswith("%%"):
        cell = cell.lstrip().partition("\n")[2]
    for text in (cell, _CALLED.sub("= None", _MAGIC.sub(lambda m: m[1] + "pass" * ("%time" not in m[0]), cell))):
        try:
            tree = ast.parse(text)
            _Checks().visit(tree)  # is it too deep to be walked through?
            return ast.parse(text)
        except _UNREADABLE:
            continue
    return None


class _Checks(ast.NodeTransformer):
    """Takes the calls of checks out of a statement, and keeps (check, answer) of each."""

    def __init__(self) -> None:
        self.found: list[tuple[str, ast.expr]] = []

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if name.startswith("check_"):
            given = [*node.args, *(keyword.value for keyword in node.keywords), ast.Constant(...)]
            self.found.append((name, given[0]))
            return ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)


class _Statement:
    """What a statement does with names: it reads them, and binds them; `anew` where it matters no more what they were.

    `same`: what it binds is a part of these. `stores`: it changes a part of what they stand for, `touches`: it may do
    so, by a call or in a loop; a function does when it is called.
    """

    def __init__(self, node: ast.stmt) -> None:
        self.reads, self.binds, declared = _names(node)
        self.imports = isinstance(node, ast.Import | ast.ImportFrom)
        self.waits = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        self.defines = self.waits or any(isinstance(each, ast.Lambda) for each in ast.walk(node))
        whole = isinstance(node, ast.Assign) or (isinstance(node, ast.AnnAssign) and node.value)
        self.anew = set(self.binds) if whole or self.waits or self.imports else set()
        self.same = _base(node.value) if isinstance(node, ast.Assign) else set()
        stores, touches = _changed(node)
        self.stores = stores & self.reads | declared
        self.touches = self.same | (self.reads if isinstance(node, _COMPOUND) else touches & self.reads)
        if self.reads & _WILD or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*"):
            (self.stores if self.waits else self.binds).add(_ANY)


class _Needs:
    """Which statements an answer needs: those that bind or change a name that it needs, and what these need in turn."""

    def __init__(self, nodes: list[ast.stmt]) -> None:
        self.all = [_Statement(node) for node in nodes]
        own = set().union(*(each.binds for each in self.all if not each.imports))
        data = set().union(*(each.binds for each in self.all if not each.imports and not each.waits))
        uses: dict[str, set[str]] = defaultdict(set)  # what a name leads to
        effects: dict[str, set[str]] = defaultdict(set)  # and what changes when it is called
        for each in self.all:
            for name in each.binds:
                uses[name] |= each.reads
                effects[name] |= each.stores | each.touches & data if each.defines else set()
        self.changes: list[set[str]] = []
        for each in self.all:
            part: set[str] = set()
            if not each.waits:
                called = (effects[name] for name in _reached(each.reads, uses))
                part = each.stores.union(each.touches & data, *called)
            anything = {_ANY} if each.stores - own else set()  # of a module, which an answer may use by another name
            self.changes.append(each.binds | part | anything)

    def of(self, answer: ast.expr, place: int) -> list[int]:
        """Return the numbers of the statements that an expression needs after the first `place` of them, in order.

        What none of these binds is taken from below, as if that stood above all.
        """
        wanted = _names(ast.Expr(answer))[0] | {_ANY}
        above = self._taken(wanted, 0, place)
        wanted -= {_ANY}.union(*(self.all[n].binds for n in above))
        return self._taken(wanted, place, len(self.all)) + above

    def _taken(self, wanted: set[str], start: int, end: int) -> list[int]:
        """Return the statements that bind or change what is wanted, in order; what they need becomes wanted as well."""
        taken: set[int] = set()
        asked = [(name, end) for name in wanted]
        for name, before in asked:  # which grows meanwhile
            wanted.add(name)
            for n in range(before - 1, start - 1, -1):
                each = self.all[n]
                if name in self.changes[n]:
                    if n not in taken:
                        taken.add(n)
                        asked += [(need, n) for need in each.reads]
                        if each.defines or each.same:  # what it reads may be changed further down
                            asked += [(need, end) for need in each.reads | each.binds]
                    if name in each.anew:
                        break
        return sorted(taken)


def _reached(names: set[str], more: dict[str, set[str]]) -> set[str]:
    """Return names, and all to which they lead."""
    found, new = set(names), list(names)
    while new:
        fresh = more.get(new.pop(), set()) - found
        found |= fresh
        new += fresh
    return found


def _base(node: ast.AST | None) -> set[str]:
    """Return the name of which an expression is a part, x of x.a[0]."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _changed(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Return the names of which a statement changes a part, and those that it may change by a call."""
    stores, touches = set[str](), set[str]()
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(each.ctx, ast.Load):
            stores |= _base(each)
        elif isinstance(each, ast.Call):
            if isinstance(each.func, ast.Attribute):
                touches |= _base(each.func)
            if not (isinstance(each.func, ast.Name) and each.func.id in _HARMLESS):
                touches = touches.union(*map(_base, [*each.args, *(keyword.value for keyword in each.keywords)]))
    return stores, touches


def _names(node: ast.stmt) -> tuple[set[str], set[str], set[str]]:
    """Return the outermost names that code reads, now or when it is called; that it binds; that a function binds."""
    reads, binds, declared = set[str](), set[str](), set[str]()
    try:
        tables = [symtable.symtable(ast.unparse(node), "<cell>", "exec")]
    except _UNREADABLE:  # Python would refuse it
        return reads, binds, declared
    for table in tables:  # which grows meanwhile
        outermost = table is tables[0]
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                reads.add(symbol.get_name())
            if (symbol.is_assigned() or symbol.is_imported()) and (outermost or symbol.is_declared_global()):
                (binds if outermost else declared).add(symbol.get_name())
        tables += table.get_children()
    return reads, binds, declared


def _misplaced(found: list[Attempt], known: Container[str], texts: Iterable[str]) -> Iterator[Attempt]:
    """Yield an attempt that says so for each answer that stands in a text cell."""
    for text in texts:
        tree = parse(text) if "=" in text or "def " in text or "check_" in text else None
        checks = _Checks()
        for statement in tree.body if tree else ():
            checks.visit(statement)
        bound = set().union(*(_names(each)[1] for each in tree.body)) if tree else set()
        wanted = {name for name, _ in checks.found if name in known and name not in {each.check for each in found}}
        wanted |= {each.check for each in found if each.answer in bound}
        for check in sorted(wanted):
            yield Attempt(check, "", "...", text, ("in a text cell", f"{check.removeprefix('check_')}: {_IN_A_TEXT}"))
