"""Cut trainings short, for tests that need a notebook's cells and figures but not its results.

Python imports a module of this name at start-up if its folder stands in PYTHONPATH, and only the first: so this one
does the work of tests/offline too. From then on what trains in lecturelib, each function of two files that takes
`steps`, makes few of them: at most 20, or LECTURELIB_STEPS in the environment. A claim may fail then, and says so, as
in a student's changed run.
"""

import functools
import importlib.util
import inspect
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

STEPS = int(os.environ.get("LECTURELIB_STEPS", "20"))
TRAINERS = {"lecturelib.training", "lecturelib.fine_tuning"}
OFFLINE = Path(__file__).parents[1] / "offline" / "sitecustomize.py"


class Shortener(MetaPathFinder):
    """Finds the modules that train as all others do, and replaces their functions once they were loaded."""

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
                for key, value in list(vars(module).items()):
                    own = inspect.isfunction(value) and value.__module__ == name and not key.startswith("_")
                    if own and "steps" in inspect.signature(value).parameters:
                        setattr(module, key, shortened(value))

            spec.loader.exec_module = load_and_shorten  # type: ignore[method-assign]
        return spec


def shortened(train: Any) -> Any:
    """Return the function with fewer steps than it is asked for."""
    signature = inspect.signature(train)

    @functools.wraps(train)
    def few_steps(*arguments: Any, **options: Any) -> Any:
        bound = signature.bind(*arguments, **options)
        bound.apply_defaults()
        bound.arguments["steps"] = min(bound.arguments["steps"], STEPS)
        return train(*bound.args, **bound.kwargs)

    return few_steps


def close_the_sockets() -> None:
    """Do what the module of the same name in tests/offline does."""
    spec = importlib.util.spec_from_file_location("offline", OFFLINE)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


close_the_sockets()
sys.meta_path.insert(0, Shortener())
