"""Cut trainings short, for tests that need a notebook's cells and figures but not its results.

Python imports a module of this name at start-up if its folder stands in PYTHONPATH, and only the first: so this one
does the work of tests/offline too. From then on `fit` and `fine_tune` make few steps: at most 20, or LECTURELIB_STEPS
in the environment. A claim may fail then, and says so, as in a student's changed run.
"""

import functools
import inspect
import os
import runpy
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

STEPS = int(os.environ.get("LECTURELIB_STEPS", "20"))
TRAINERS = {"lecturelib.training": "fit", "lecturelib.fine_tuning": "fine_tune"}


class Shortener(MetaPathFinder):
    """Finds the modules that train as Python does, and replaces their function once they were loaded."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in TRAINERS else None
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_shorten(module: ModuleType) -> None:
                load(module)
                setattr(module, TRAINERS[name], shortened(getattr(module, TRAINERS[name])))

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


runpy.run_path(str(Path(__file__).parents[1] / "offline" / "sitecustomize.py"))
sys.meta_path.insert(0, Shortener())
