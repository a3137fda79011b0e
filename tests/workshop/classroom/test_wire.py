"""Plain data between judge and child: the same verdicts as without it, and nothing that can run or grow."""

import base64
import contextlib
import json
import threading
from multiprocessing import Pipe

import numpy as np
import pytest
import torch

from lecturelib.workshop.classroom.cells import Attempt
from lecturelib.workshop.classroom.child import converse
from lecturelib.workshop.classroom.course import exercise_of
from lecturelib.workshop.classroom.judge import Remote
from lecturelib.workshop.classroom.wire import Foreign, Message, renew
from tests.checks.test_exercises import RIGHT, WRONG
from tests.workshop.classroom.samples import COURSE


@pytest.fixture
def remote():
    """A judge's view of a child that is a thread of this process."""
    ours, theirs = Pipe()
    theirs.send_bytes(Message().write(ready=True))

    def talk():
        with contextlib.suppress(EOFError):
            converse(theirs.recv_bytes, theirs.send_bytes)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    yield Remote(ours)
    ours.close()
    thread.join(timeout=60)


def known_answers():
    """Yield (check, the verdict that it must have, where to find the answer) for all that the checks are tested on."""
    for check in COURSE:
        name = exercise_of(check).name
        yield from ((check, "right", f"RIGHT[{name!r}][{n}]") for n in range(len(RIGHT[name])))
        yield from ((check, mistake, f"WRONG[{name!r}][{mistake!r}][0]") for mistake in WRONG[name])


@pytest.mark.parametrize(("check", "verdict", "answer"), list(known_answers()))
def test_a_distant_answer_gets_the_verdict_that_it_gets_at_home(remote, check, verdict, answer):
    attempt = Attempt(check, "from tests.checks.test_exercises import RIGHT, WRONG", answer, "")
    before = torch.get_default_dtype()
    try:
        assert remote.verdict(attempt)[0] == verdict
    finally:
        torch.set_default_dtype(before)


# ---- there and back ----


def travelled(value):
    return Message().read(Message().write(value=value))["value"]


@pytest.mark.parametrize("value", [None, ..., True, 3, -2.5, float("inf"), "ä\ud800", [1, (2, [])], {"a": 1, 2: None}])
def test_plain_values_travel(value):
    assert travelled(value) == value and type(travelled(value)) is type(value)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 5)])
def test_tensors_travel_to_the_bit(dtype, shape):
    tensor = (10 * torch.randn(shape)).to(dtype)
    assert torch.equal(travelled(tensor), tensor) and travelled(tensor).dtype == dtype


def test_views_travel_as_views():
    whole = torch.arange(12.0).view(3, 4)
    first, turned, stretched = travelled([whole, whole.T, whole[:1].expand(5, 4)])
    assert torch.equal(turned, whole.T) and torch.equal(stretched, whole[:1].expand(5, 4))
    first[0, 1] = -7
    assert turned[1, 0] == -7 and stretched[4, 1] == -7


def test_arrays_travel_as_tensors_and_their_numbers_as_plain_ones():
    assert torch.equal(travelled(np.eye(3)), torch.eye(3).double()) and travelled(np.float32(0.5)) == 0.5


@pytest.mark.parametrize("value", [object(), {1}, 1j, range(3), torch.eye(2).to_sparse(), np.array(["a"]), len])
def test_what_has_no_place_is_named_only(value):
    found = travelled(value)
    assert isinstance(found, Foreign) and found != value and repr(found).startswith("an object of the class ")


def test_what_has_no_end_is_cut_off_and_what_is_too_large_is_not_written():
    cyclic: list = [1]
    cyclic.append(cyclic)
    assert "nested too deeply" in repr(travelled(cyclic))
    with pytest.raises(ValueError, match="bytes: expected at most"):
        Message().write(value=torch.zeros(2_000_000))


def test_writing_into_arguments_is_seen_on_the_other_side():
    x, weights = torch.zeros(3), {"a": torch.ones(2), "b": torch.ones(2)}
    numbers = [1, 2]
    question, there = Message(), Message()
    given = there.read(question.write(given=(x, weights, numbers)))["given"]
    given[0].add_(5)
    given[1]["a"] *= 2
    del given[1]["b"]
    given[2].append(3)
    back = Message(question.memory).read(Message(there.memory).write(result=given[0][1:], given=given))
    for one, other in zip((x, weights, numbers), back["given"], strict=True):
        renew(one, other)
    assert x.tolist() == [5, 5, 5] and weights["a"].tolist() == [2, 2] and "b" not in weights and numbers == [1, 2, 3]
    assert back["result"].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


# ---- what a hostile child could send ----

EIGHT = base64.b64encode(bytes(8)).decode()


def sent(value, *memory):
    """Return a message with this value and these pieces of memory, whatever `write` would say of them."""
    return json.dumps({"memory": memory, "value": value}).encode()


def tensor(*parts, memory=EIGHT):
    """Return a message with a tensor: its dtype, its memory's number, its offset, shape and stride."""
    return sent({"tensor": parts}, memory)


HOSTILE = {
    "no JSON": b"right",
    "no object": b"[]",
    "no memory": b'{"value": 1}',
    "deep": b'{"memory": [], "value": ' + b'{"list": [' * 50_000 + b"]}" * 50_000 + b"}",
    "deep for us": b'{"memory": [], "value": ' + b'{"list": [' * 20 + b"1" + b"]}" * 20 + b"}",
    "a bare list": sent([1]),
    "two kinds": sent({"list": [], "tuple": []}),
    "no base 64": sent(1, "?"),
    "no such dtype": tensor("quint8", 0, 0, [], []),
    "no such memory": tensor("bool", 1, 0, [], []),
    "beyond its memory": tensor("float64", 0, 0, [2], [1]),
    "no memory at all": tensor("float64", 0, 0, [3], [0], memory=""),
    "far behind its memory": tensor("float64", 0, 2**60, [1], [1]),
    "nothing, far behind": tensor("bool", 0, 2**60, [0], [1]),
    "before its memory": tensor("float64", 0, -1, [1], [1]),
    "stretched": tensor("float64", 0, 0, [10**6, 10**6], [0, 0]),
    "an unhashable key": sent({"dict": [[{"list": []}, 1]]}),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_message_is_refused(text):
    with pytest.raises(ValueError):
        Message().read(text)


def test_a_shorter_memory_is_refused():
    x = torch.zeros(3)
    question = Message()
    question.write(given=(x,))
    with pytest.raises(ValueError, match="12 bytes now has 8"):
        Message(question.memory).read(sent(1, EIGHT))
    assert x.tolist() == [0, 0, 0]
