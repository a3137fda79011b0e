"""The kit and a figure's script are one module: names occur once, imports are of what there is, none is left."""

import re

import numpy as np
import pytest
import torch

from lecturelib.widgets import kit

DECLARED = re.compile(r"^(?:export )?(?:const|let|class|function) (?:(\w+)|\[([\w, ]+)\])", re.MULTILINE)
IMPORTED = re.compile(r'^import \{([^}]*)\} from "\./kit\.js";', re.MULTILINE)


def declared(script: str) -> list[str]:
    return [name for found in DECLARED.findall(script) for name in re.findall(r"\w+", " ".join(found))]


@pytest.mark.parametrize("name", ["attention_explorer", "patch_playground", "transfer_lab"])
def test_a_script_and_the_kit_do_not_clash(name):
    whole = kit.script(name)
    names = declared(whole)
    assert len(names) > 20 and len(set(names)) == len(names)
    assert "import " not in whole.replace("import of it", "") and kit.style(name).startswith(".lec {")
    (wanted,) = IMPORTED.findall((kit._FOLDER / f"{name}.js").read_text(encoding="utf-8"))
    exported = re.findall(r"^export (?:const|class|function) (\w+)", kit._read("kit.js"), re.MULTILINE)
    assert set(re.findall(r"\w+", wanted)) <= set(exported)


def test_arrays_are_read_and_coded():
    assert kit.as_array(torch.ones(2, dtype=torch.bfloat16, requires_grad=True)).dtype == np.float64
    np.testing.assert_array_equal(kit.coded(np.array([0, 0.5, 1]), 8), np.array([0, 128, 255], "u1"))
    assert kit.coded(np.array([1.0]), 16).tolist() == [65535] and kit.text_of(np.array([1, 2], "u1")) == "AQI="
