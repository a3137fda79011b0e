"""Find the exercises in the code cells of a notebook, whatever its owner did to it.

An exercise is known by the call of its check, `check_attend(answer)`, wherever that stands: cells may have been moved,
copied, or split. To an answer belongs every statement of the outermost level that binds or changes a name that it
needs, whatever its form: these are taken from all cells, in order, and the others are left behind.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

COPIES = 3  # so many cells with the same check are looked at: the last ones
_CHECK = re.compile(r"\bcheck_\w+")
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_MAGIC = re.compile(r"(?m)^([ \t]*)(?:%time[ \t]+(?=\S)|(?:[%!?].*|[\w.]+\?{1,2}[ \t]*$))")
_CALLED = re.compile(r"(?m)(?<![=!<>])=[ \t]*[!%].*$")  # x = !ls
_DEFINE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
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
    return [*_last(found), *_misplaced(found, known, texts)]


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
    """Takes the calls of checks and hints out of a statement, and keeps (check, answer) of each."""

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


class _Statement:
    """What a statement does with names.

    `now`, `later`: reads them at once, or when a function that it defines is called. `binds`: gives them a value,
    `anew`: whatever they were before. `stores`: changes a part of what they stand for, `touches`: may do so, by a call.
    `same`: what it binds may be the same object as these. `effects`, `may`: what a function that it defines binds and
    stores, and what it touches, when it is called.
    """

    def __init__(self, node: ast.stmt) -> None:
        self.now, self.later, self.binds, declared = _names(node)
        self.defines = isinstance(node, _DEFINE)
        self.imports = isinstance(node, ast.Import | ast.ImportFrom)
        self.anew = set(self.binds) if self.defines or self.imports else _targets(node)
        self.stores, self.touches = _changed(node)
        self.same = _base(node.value) if isinstance(node, ast.Assign) else set()
        if self.now & _WILD or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*"):
            self.binds.add(_ANY)
        if isinstance(node, _COMPOUND):
            self.touches |= self.now
        inside = [_changed(each) for each in ast.walk(node) if isinstance(each, ast.stmt)] if self.later else []
        self.effects = set().union(*(stores for stores, _ in inside)) & self.later | declared
        self.may = set().union(*(touches for _, touches in inside)) & self.later
        if self.later & _WILD:
            self.effects.add(_ANY)


class _Needs:
    """Which statements an answer needs, found backwards: those that make what is needed below, and what these need."""

    def __init__(self, nodes: list[ast.stmt]) -> None:
        self.all = [_Statement(node) for node in nodes]
        data = set().union(*(each.binds for each in self.all if not each.defines and not each.imports))
        own = set().union(*(each.binds for each in self.all if not each.imports))
        functions = set().union(*(each.binds for each in self.all if each.later))
        self.calls: dict[str, set[str]] = defaultdict(set)  # what it may read to call what a name stands for
        effects: dict[str, set[str]] = defaultdict(set)  # and what that changes
        alias: dict[str, set[str]] = defaultdict(set)  # other names of the same object
        for each in self.all:
            for name in each.binds:
                self.calls[name] |= each.later | each.now & functions
                effects[name] |= each.effects | each.may & data
                for other in each.same & data:
                    alias[name].add(other)
                    alias[other].add(name)
        self.changes: list[set[str]] = []
        for each in self.all:
            part = each.stores | each.touches & data
            if not each.defines:
                part = part.union(*(effects.get(name, ()) for name in _reached(each.now, self.calls)))
            anything = {_ANY} if each.stores - own else set()  # of a module, which an answer may use by another name
            self.changes.append(each.binds | anything | _reached(part, alias))

    def of(self, answer: ast.expr, place: int) -> list[int]:
        """Return the numbers of the statements that an expression needs after the first `place` of them, in order.

        What none of these binds is taken from below, as if that stood above all.
        """
        now, later, *_ = _names(ast.Expr(answer))
        wanted = _reached(now | later, self.calls) | {_ANY}
        above = self._taken(wanted, range(place))
        wanted -= {_ANY}.union(*(self.all[n].binds for n in above))
        return self._taken(wanted, range(place, len(self.all))) + above

    def _taken(self, wanted: set[str], numbers: range) -> list[int]:
        """Return the statements that make or change what is wanted, in order; it becomes what is wanted above them."""
        taken = []
        for n in reversed(numbers):
            each = self.all[n]
            if self.changes[n] & wanted:
                taken.append(n)
                wanted -= each.anew
                wanted |= each.now | each.later if each.defines else _reached(each.now | each.later, self.calls)
        return taken[::-1]


def _reached(names: set[str], more: dict[str, set[str]]) -> set[str]:
    """Return names, and all to which they lead."""
    found, new = set(names), list(names)
    while new:
        fresh = more.get(new.pop(), set()) - found
        found |= fresh
        new += fresh
    return found


def _targets(node: ast.stmt) -> set[str]:
    """Return the names that an assignment binds, whatever they were before."""
    if isinstance(node, ast.Assign):
        targets = [each for t in node.targets for each in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
    else:
        targets = [node.target] if isinstance(node, ast.AnnAssign) and node.value else []
    return {each.id for each in targets if isinstance(each, ast.Name)}


def _base(node: ast.AST | None) -> set[str]:
    """Return the name of which an expression is a part, x of x.a[0]."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _here(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement and what is in it, but not what runs only when a function is called."""
    yield node
    inside = ast.iter_child_nodes(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        inside = iter([node.args, *getattr(node, "decorator_list", [])])
    for child in inside:
        yield from _here(child)


def _changed(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Return the names of which a statement changes a part, and those that it may change by a call."""
    stores, touches = set(), set()
    for each in _here(node):
        if isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(each.ctx, ast.Load):
            stores |= _base(each)
        elif isinstance(each, ast.Call):
            if isinstance(each.func, ast.Attribute):
                touches |= _base(each.func)
            if not (isinstance(each.func, ast.Name) and each.func.id in _HARMLESS):
                for argument in (*each.args, *(keyword.value for keyword in each.keywords)):
                    touches |= _base(argument)
    return stores, touches


def _names(node: ast.stmt) -> tuple[set[str], set[str], set[str], set[str]]:
    """Return the names that code reads at once, or when a function in it is called, and that it binds likewise."""
    now, later, binds, declared = set[str](), set[str](), set[str](), set[str]()
    try:
        tables = [(symtable.symtable(ast.unparse(node), "<cell>", "exec"), False)]
    except _UNREADABLE:  # Python would refuse it
        return now, later, binds, declared
    for table, after in tables:  # which grows meanwhile
        outermost = table is tables[0][0]
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                (later if after else now).add(symbol.get_name())
            if (symbol.is_assigned() or symbol.is_imported()) and (outermost or symbol.is_declared_global()):
                (declared if after else binds).add(symbol.get_name())
        for each in table.get_children():
            waits = str(each.get_type()) == "function" and not each.get_name().endswith(("comp", "genexpr"))
            tables.append((each, after or waits))
    if isinstance(node, ast.FunctionDef) and node.decorator_list:
        now |= later
    return now, later, binds, declared


def _last(found: list[Attempt]) -> Iterator[Attempt]:
    """Yield the attempts without repetitions, at most the last few of each check."""
    distinct = list(dict.fromkeys(reversed(found)))
    for n, attempt in reversed(list(enumerate(distinct))):
        if sum(other.check == attempt.check for other in distinct[:n]) < COPIES:
            yield attempt


def _misplaced(found: list[Attempt], known: Container[str], texts: Iterable[str]) -> Iterator[Attempt]:
    """Yield an attempt that says so for each answer that stands in a text cell."""
    for text in texts:
        tree = parse(text) if "=" in text or "def " in text or "check_" in text else None
        checks = _Checks()
        for statement in tree.body if tree else ():
            checks.visit(statement)
        bound = set().union(*(_names(each)[2] for each in tree.body)) if tree else set()
        wanted = {name for name, _ in checks.found if name in known and name not in {each.check for each in found}}
        wanted |= {each.check for each in found if each.answer in bound}
        for check in sorted(wanted):
            yield Attempt(check, "", "...", text, ("in a text cell", f"{check.removeprefix('check_')}: {_IN_A_TEXT}"))
