"""Whole numbers, and what is none."""

import numpy as np
import pytest
import torch

from lecturelib import edges
from tests.mutants import Mutant, planted


@pytest.mark.parametrize("number", [1, 7, np.int64(1), np.uint8(7), torch.tensor(3), torch.tensor([3])[0]])
def test_whole_numbers_of_every_make_are_accepted(number: object) -> None:
    edges.check_whole(size=number)
    edges.check_whole(0, size=number, least=0)


@pytest.mark.parametrize("bad", [0, np.int64(-1), 2.0, True, np.True_, None, "2", torch.ones(2).long(), torch.ones(1)])
def test_the_first_that_is_no_whole_number_is_named(bad: object) -> None:
    with pytest.raises(ValueError) as refusal:
        edges.check_whole(first=3, second=bad, third=-9)
    assert str(refusal.value) == f"second={bad!r}: expected a whole number of 1 or more"


test_mutants = planted(edges, [Mutant(">= least  #", "> least  #", test_whole_numbers_of_every_make_are_accepted)])
