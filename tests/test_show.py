"""What `show` leaves of a source: what teaches, and code that still runs."""

import pytest
import torch

from lecturelib.show import show


def check_size(x):
    """Stand for a check of the library."""


class Scaled:
    """A docstring."""

    size = 3  # a constant

    def __init__(self, x):
        """Another."""
        if x < 0:
            raise ValueError("negative")
        self.x = x  # (B, T)

    def twice(self, y=None):
        """Another."""
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
        raise ValueError("the end of a function")"""


def test_docstrings_and_refusals_go_and_everything_else_stays():
    assert repr(show(Scaled)) == LEFT


def test_several_stand_below_one_another_in_markdown():
    text = "def __init__(self, x):\n    self.x = x  # (B, T)"
    assert repr(show(Scaled.__init__, Scaled.__init__)) == f"{text}\n\n\n{text}"
    assert show(Scaled.__init__)._repr_markdown_() == f"```python\n{text}\n```"


@pytest.mark.parametrize(("given", "words"), [((), r"show\(\)"), ((torch.relu,), "relu"), ((3,), "3")])
def test_what_has_no_source_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        show(*given)
