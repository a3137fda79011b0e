"""Cut trainings short, for tests that need a notebook's cells and figures but not its results.

Python imports a module of this name at start-up if its folder stands in PYTHONPATH, and only the first: so this one
does the work of tests/offline too. From then on the two functions of lecturelib that train make few steps: at most
20, or LECTURELIB_STEPS in the environment. A claim may fail then, and says so, as in a student's changed run.
"""

import functools
import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

STEPS = int(os.environ.get("LECTURELIB_STEPS", "20"))
TRAINERS = {"lecturelib.training": "fit", "lecturelib.fine_tuning": "fine_tune"}
OFFLINE = Path(__file__).parents[1] / "offline" / "sitecustomize.py"


class Shortener(MetaPathFinder):
    """Finds the modules that train as all others do, and replaces the function once its module was loaded."""

    def __init__(self) -> None:
        self.looking = False

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in TRAINERS or self.looking:
            return None
        self.looking = True  # this finder stands back while the others look
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.looking = False
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_shorten(module: ModuleType) -> None:
                load(module)
                setattr(module, TRAINERS[name], shortened(getattr(module, TRAINERS[name])))

            spec.loader.exec_module = load_and_shorten  # type: ignore[method-assign]
        return spec


def shortened(train: Any) -> Any:
    """Return the function with fewer steps than it is asked for."""

    @functools.wraps(train)
    def few_steps(*arguments: Any, steps: int = STEPS, **options: Any) -> Any:
        return train(*arguments, steps=min(steps, STEPS), **options)

    return few_steps


def close_the_sockets() -> None:
    """Do what the module of the same name in tests/offline does."""
    spec = importlib.util.spec_from_file_location("offline", OFFLINE)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


close_the_sockets()
sys.meta_path.insert(0, Shortener())
