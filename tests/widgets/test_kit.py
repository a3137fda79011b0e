"""The kit of the figures: arrays of any kind are read, and coded for the page."""

import numpy as np
import torch

from lecturelib.widgets import kit


def test_arrays_are_read_and_coded():
    assert kit.as_array(torch.ones(2, dtype=torch.bfloat16, requires_grad=True)).dtype == np.float64
    np.testing.assert_array_equal(kit.coded(np.array([0, 0.5, 1]), 8), np.array([0, 128, 255], "u1"))
    assert kit.coded(np.array([1.0]), 16).tolist() == [65535] and kit.text_of(np.array([1, 2], "u1")) == "AQI="
