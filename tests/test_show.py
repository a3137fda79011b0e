"""What `show` leaves of a source: what teaches, and code that still runs."""

import ast
import inspect

import pytest
import torch

from lecturelib import attention, language, mae, training, transformer, vision
from lecturelib.show import show


def check_size(x):
    """Stand for a check of the library."""


class Scaled:
    """A docstring."""

    size = 3  # a constant

    def __init__(self, x):
        """Another."""
        # what is said of the check goes with it
        if x < 0:
            raise ValueError("negative")
        self.x = x  # (B, T)

    def twice(self, y=None):
        """Another.

        >>> Scaled(3).twice()
        6
        """
        check_size(y)
        self._check(y)
        for each in (y,):
            if each is not None:
                check_size(each)
        if y is not None:
            check_size(y)
            y = y + 1

        # what is said of what stays
        if self.x:
            return 2 * self.x
        raise ValueError("the end of a function")

    def _check(self, y):
        if y == 1:
            raise ValueError("one")

    def only_refuses(self, y):
        """Nothing but a check."""
        check_size(y)


LEFT = """class Scaled:
    size = 3  # a constant

    def __init__(self, x):
        self.x = x  # (B, T)

    def twice(self, y=None):
        if y is not None:
            y = y + 1

        # what is said of what stays
        if self.x:
            return 2 * self.x
        raise ValueError("the end of a function")

    def only_refuses(self, y):
        ..."""


def test_docstrings_and_refusals_go_and_everything_else_stays():
    assert repr(show(Scaled)) == LEFT


def test_several_stand_below_one_another_in_markdown():
    text = repr(show(check_size, Scaled.__init__))
    assert text == "def check_size(x):\n    ...\n\n\ndef __init__(self, x):\n    self.x = x  # (B, T)"
    assert show(check_size)._repr_markdown_() == "```python\ndef check_size(x):\n    ...\n```"


MODULES = [attention, language, mae, training, transformer, vision]
OWN = [each for module in MODULES for each in vars(module).values()
       if (inspect.isfunction(each) or inspect.isclass(each)) and each.__module__ == module.__name__]  # fmt: skip


@pytest.mark.parametrize("object", OWN, ids=lambda each: f"{each.__module__.rpartition('.')[2]}.{each.__name__}")
def test_what_is_shown_of_the_library_is_python_without_docstrings(object):
    tree = ast.parse(repr(show(object)))
    kinds = (ast.FunctionDef, ast.ClassDef)
    assert not [node.name for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)]


def test_what_is_shown_computes_the_same():
    names = dict(vars(attention))
    exec(repr(show(attention.attention_weights, attention.masked_softmax, attention.attend)), names)
    q, k, v = torch.randn(3, 2, 5, 4)
    mask = attention.causal_mask(5)
    for shown, own in zip(names["attend"](q, k, v, mask), attention.attend(q, k, v, mask), strict=True):
        assert torch.equal(shown, own)
    assert "raise" not in repr(show(attention.attend)) and "# (..., T, S)" in repr(show(attention.attend))


@pytest.mark.parametrize(("given", "words"), [((), "given nothing"), ((torch.relu,), "no source of"), ((3,), "of 3")])
def test_what_has_no_source_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        show(*given)
