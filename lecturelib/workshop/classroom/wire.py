"""Values as plain JSON, both ways between a judge and the process that runs a stranger's code.

Nothing that is read here can run anything: tensors are their numbers and their shape, an object of a class that has no
place here is the name of its class. Tensors that share memory share it on the other side as well, so that an answer
which writes into what it was given, or hands it back, can be seen to do so.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

LIMIT = 8_000_000  # bytes of a message
ASKS_BACK = b"?"  # before a message that asks for a function of the other side, in place of an answer
_NUMBERS = 1_000_000  # numbers of one tensor, also of one that is stretched
_DEPTH = 8  # lists in lists
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
                  torch.float16, torch.bfloat16, torch.float32, torch.float64)
}  # fmt: skip


class Foreign:
    """What stands for an object that does not travel: it equals nothing, and tells the name of its class."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"an object of the class {self.kind}"


class Message:
    """One message as it is written or read: values, and the pieces of memory that their tensors lie in.

    An answer is written and read with the memory of the question before it, so that both sides know which is which.
    """

    def __init__(self, memory: list[torch.UntypedStorage] | None = None) -> None:
        self.memory = list(memory or ())
        self.functions: list[Callable[..., Any]] = []
        self.call: Callable[[int], Callable[..., Any]] | None = None

    def write(self, **values: Any) -> bytes:
        """Return a message that holds these values under their names.

        Raises: ValueError where it would be too large.
        """
        content = {name: self._encode(value) for name, value in values.items()}
        content["memory"] = [base64.b64encode(_bytes_of(each).numpy().tobytes()).decode() for each in self.memory]
        text = json.dumps(content).encode()
        if len(text) > LIMIT:
            raise ValueError(f"the result has {len(text)} bytes: expected at most {LIMIT}")
        return text

    def read(self, text: bytes, call: Callable[[int], Callable[..., Any]] | None = None) -> dict[str, Any]:
        """Return the values of a message by their names; `call(n)` makes the function that stands for number n.

        Memory that is known already is overwritten where the other side wrote into it.

        Raises: ValueError for anything that `write` would not have written.
        """
        self.call = call
        try:
            content = json.loads(text)
            for n, encoded in enumerate(content.pop("memory")):
                self._take(n, base64.b64decode(encoded, validate=True))
            return {name: self._decode(value) for name, value in content.items()}
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError) as problem:
            raise ValueError(f"no message: {type(problem).__name__}: {problem}") from None

    def _encode(self, value: Any, depth: int = 0) -> Any:
        if depth > _DEPTH:
            return {"foreign": "list that is nested too deeply"}
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or type(value) in (bool, int, float, str):
            return value
        if value is ...:
            return {"ellipsis": True}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            value = torch.as_tensor(value)
        if isinstance(value, torch.Tensor):
            return self._encode_tensor(value.detach())
        if isinstance(value, Mapping):
            return {"dict": [[self._encode(each, depth + 1) for each in pair] for pair in value.items()]}
        if isinstance(value, tuple | list):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [self._encode(each, depth + 1) for each in value]}
        if callable(value):
            self.functions.append(value)
            return {"function": len(self.functions) - 1}
        if isinstance(value, float | int | str):  # of a class of its own
            return next(kind(value) for kind in (float, int, str) if isinstance(value, kind))
        return {"foreign": type(value).__name__}

    def _encode_tensor(self, tensor: torch.Tensor) -> Any:
        name = str(tensor.dtype).removeprefix("torch.")
        if name not in _DTYPES or tensor.layout != torch.strided or tensor.device.type != "cpu":
            return {"foreign": f"tensor of {tensor.dtype} on {tensor.device}"}
        tensor = tensor.resolve_neg()
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in self._places():
            self.memory.append(memory)
        at = self._places().index(memory.data_ptr())
        return {"tensor": [name, at, tensor.storage_offset(), list(tensor.shape), list(tensor.stride())]}

    def _places(self) -> list[int]:
        return [each.data_ptr() for each in self.memory]

    def _take(self, n: int, content: bytes) -> None:
        new = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
        if n >= len(self.memory):
            self.memory.append(new.untyped_storage())
            return
        old = _bytes_of(self.memory[n])
        if len(old) != len(new):
            raise ValueError(f"a piece of memory of {len(old)} bytes now has {len(new)}")
        if not torch.equal(old, new):
            old.copy_(new)

    def _decode(self, value: Any, depth: int = 0) -> Any:
        if not isinstance(value, dict):
            if isinstance(value, list) or depth > _DEPTH + 1:
                raise ValueError("a list without a kind, or one that is nested too deeply")
            return value
        ((kind, content),) = value.items()
        if kind in ("list", "tuple"):
            parts = [self._decode(each, depth + 1) for each in content]
            return parts if kind == "list" else tuple(parts)
        if kind == "dict":
            return {self._decode(key, depth + 1): self._decode(each, depth + 1) for key, each in content}
        if kind == "ellipsis":
            return ...
        if kind == "tensor":
            return self._decode_tensor(*content)
        if kind == "function" and self.call:
            return self.call(int(content))
        return Foreign(f"{content:.60}" if isinstance(content, str) else kind[:60])

    def _decode_tensor(self, dtype: str, at: int, offset: int, shape: list[int], stride: list[int]) -> torch.Tensor:
        sizes = [at, offset, *shape, *stride]
        if not all(type(size) is int and size >= 0 for size in sizes) or math.prod(shape) > _NUMBERS or len(shape) > 32:
            raise ValueError(f"no tensor of at most {_NUMBERS} numbers: {shape} by {stride} from {offset}")
        last = sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) if 0 not in shape else -1
        if (offset + last + 1) * _DTYPES[dtype].itemsize > self.memory[at].nbytes():
            raise ValueError(f"a tensor beyond its memory: {shape} by {stride} from {offset}")
        return torch.empty(0, dtype=_DTYPES[dtype]).set_(self.memory[at], offset, shape, stride)


def renew(old: Any, new: Any) -> Any:
    """Bring a value to the state of its twin from the other side; lists and dictionaries stay themselves."""
    if isinstance(old, list) and isinstance(new, list):
        old[:] = [renew(*pair) for pair in zip(old, new, strict=False)] + new[len(old) :]
    elif isinstance(old, dict) and isinstance(new, dict):
        renewed = {key: renew(old.get(key), value) for key, value in new.items()}
        old.clear()
        old.update(renewed)
    else:
        return new
    return old


def _bytes_of(memory: torch.UntypedStorage) -> torch.Tensor:
    return torch.empty(0, dtype=torch.uint8).set_(memory)
