"""A check of the machine: what is there, and what to do if something is off, in words."""

import os
import platform
import sys

import ipywidgets
import psutil
import torch


def inspect_machine(free_gb: float | None = None, ipywidgets_version: str = ipywidgets.__version__) -> None:
    """Print what this machine has and, for everything that is off, what to do about it.

    The arguments stand in for what would be measured. Units: GB of 10**9 bytes.
    """
    if free_gb is None:
        free_gb = psutil.virtual_memory().available / 1e9
    device = f"a GPU ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else "the CPU"
    lines = [
        f"Python {platform.python_version()}, torch {torch.__version__}, ipywidgets {ipywidgets_version}.",
        f"Processor cores: {os.cpu_count()}; torch uses {torch.get_num_threads()} of them. Device: {device}.",
        f"Free memory: {free_gb:.1f} GB.",
    ]
    problems = []
    if sys.version_info[:2] not in ((3, 11), (3, 12), (3, 13)):
        problems.append(
            "This Python is not one that the course is tested with (3.11 to 3.13). If something fails, make an "
            "environment with one of those."
        )
    if free_gb < 1.6:
        problems.append(
            "Less than 1.6 GB of memory is free; notebook 09 needs up to 1.3, the others up to 0.9. Shut down the "
            "kernels of other notebooks (Kernel menu, Shut Down All Kernels) and close other programs."
        )
    if int(ipywidgets_version.split(".")[0]) < 8:
        problems.append(
            "This ipywidgets is older than version 8: pictures take the place of some interactive figures. Everything "
            "else works."
        )
    fine = ["No problems found. (Notebook 09 also needs two models: it says how to get them.)"]
    print(*lines, *(problems or fine), sep="\n")
