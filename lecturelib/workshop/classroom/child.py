"""The process that runs a stranger's code: it makes the answer, and calls it as often as the judge asks.

It knows the questions one by one and no right result, and it sends back plain data (see `wire`). All that it says may
be a lie of the code that it runs; the judge takes it for an answer, never for a verdict.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from lecturelib.workshop.classroom.limits import isolate
from lecturelib.workshop.classroom.wire import ASKS_BACK, Message

_TEXT = 300  # characters of an error's message
_PATIENCE = 10  # seconds until it goes by itself, if nobody ends it


class _BrokenCourse(Exception):
    """A cell of the course itself does not run here: that is no student's fault."""


def serve(judge: Connection, folder: Path, memory: int) -> None:
    """Give up all that is not needed, and answer the judge until it has no more questions; then wait to be ended.

    Who ends it looks for the processes that it has started, and no longer finds them once it is gone itself.
    """
    torch.set_num_threads(1)
    isolate(folder, memory)
    judge.send_bytes(Message().write(ready=True))
    with contextlib.suppress(EOFError, ConnectionError):
        converse(judge)
    time.sleep(_PATIENCE)


def converse(judge: Connection) -> None:
    """Make the answers that the judge asks for, and call them; EOFError ends it."""
    answer: Any = None
    while True:
        question = judge.recv_bytes()
        message = Message()
        values = message.read(question, lambda n: _asked_back(judge, n))
        try:
            if "source" in values:
                answer = _answer(values["preamble"], values["source"], values["answer"])
                reply = Message().write(value=answer)
            else:
                reply = _called(answer, values, message)
        except _BrokenCourse as problem:
            reply = Message().write(broken=str(problem)[:_TEXT])
        except BaseException as problem:  # also SystemExit: the judge says what comes of it
            reply = _raised(problem)
        judge.send_bytes(reply)


def _answer(preamble: str, source: str, answer: str) -> Any:
    """Run what the course defines, then a student's cell; return the answer.

    Of the cell a statement that fails is passed over: it may need what an experiment further up has made. If the
    answer does not need it, it does no harm; if it does, it fails as well.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for statement in ast.parse(preamble).body:
        try:
            _run(statement, names)
        except NameError:  # a default value that an experiment has made
            continue
        except Exception as problem:
            raise _BrokenCourse(
                f"{ast.unparse(statement):.80} stops with {type(problem).__name__}: {problem}"
            ) from None
    for statement in ast.parse(source).body:
        try:
            _run(statement, names)
        except Exception:
            continue
    return eval(answer, names)


def _run(statement: ast.stmt, names: dict[str, Any]) -> None:
    exec(compile(ast.Module([statement], []), "<exercise>", "exec"), names)


def _called(answer: Callable[..., Any], values: dict[str, Any], question: Message) -> bytes:
    """Call the answer; return its result and its arguments, as they are afterwards, in the question's memory."""
    torch.set_default_dtype(getattr(torch, values["dtype"]))
    given = values["given"]
    result = answer(*given)
    return Message(question.memory).write(result=result, given=given, gradients=_gradients(result, given))


def _gradients(result: Any, given: tuple[Any, ...]) -> list[torch.Tensor | None] | None:
    """The derivatives of a number with respect to the weights of the networks among the arguments."""
    weights = [w for each in given if isinstance(each, torch.nn.Module) for w in each.parameters()]
    if not weights or not isinstance(result, torch.Tensor) or result.shape != () or not result.requires_grad:
        return None
    return list(torch.autograd.grad(result, weights, retain_graph=True, allow_unused=True))


def _asked_back(judge: Connection, n: int) -> Callable[..., Any]:
    """Return what stands for a function among the arguments: it is the judge that computes it."""

    def ask(*given: Any) -> Any:
        judge.send_bytes(ASKS_BACK + Message().write(function=n, given=given))
        values = Message().read(judge.recv_bytes())
        if "raised" in values:
            raise getattr(builtins, values["raised"], RuntimeError)(values["text"])
        return values["result"]

    return ask


def _raised(problem: BaseException) -> bytes:
    """Say which error it was; one for want of memory is called so, whoever noticed it."""
    kind = "MemoryError" if "allocate memory" in str(problem) else type(problem).__name__
    return Message().write(raised=kind, text=str(problem)[:_TEXT])
