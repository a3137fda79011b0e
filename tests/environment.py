"""The conditions of every test: a plugin that pyproject.toml loads, so that they hold for one notebook too.

The kernels that nbval starts inherit the variables: one thread and a fixed hash seed (so that outputs can be
compared), claims that raise where chance does not explain it, and sockets that reach nothing but this machine.
"""

import os
import signal
import time
from pathlib import Path
from queue import Empty
from typing import Any

from lecturelib.workshop.publish.execute import ENVIRONMENT

OFFLINE = Path(__file__).parent / "offline"
SANITIZE = Path(__file__).parent / "sanitize.cfg"

os.environ.update(ENVIRONMENT | {"LECTURELIB_STRICT": "chance"})
os.environ.pop("MPLBACKEND", None)  # a kernel chooses its own
search_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
if str(OFFLINE) not in search_path:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *filter(None, search_path)])

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; what tests start would be as deaf
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis  # noqa: E402
import nbval.kernel  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402  (reads the variables above)

from lecturelib.pretrained.fetch import RELEASES, ready  # noqa: E402
from tests.offline import sitecustomize  # noqa: E402, F401  (closes the sockets of this process too)
from tests.tools import needs  # noqa: E402

torch.set_num_threads(1)

# The same examples in every run, and with LECTURELIB_RANDOM=1, as weekly in CI, others each time. No verdict by the
# clock. Failing examples are not made smaller: they are small by their strategies, and it may take five minutes.
hypothesis.settings.register_profile(
    "lecturelib",
    deadline=None,
    derandomize=os.environ.get("LECTURELIB_RANDOM") != "1",
    max_examples=20,
    database=None,
    report_multiple_bugs=False,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("lecturelib")

# The tests that last longest start first, so that in the end no worker is left alone with one of them.
LONGEST = ("notebooks/", "tests/test_style.py", "tests/browser/test_notebooks.py", "tests/colab/")


def pytest_configure(config: pytest.Config) -> None:
    """Let nbval compare the words of a claim, not its digits, from whatever folder it is called."""
    config.option.nbval_sanitize_with = str(SANITIZE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first; give the tests of the platform, which wait for other programs, a second try."""
    place = {prefix: k for k, prefix in enumerate(LONGEST)}
    items.sort(key=lambda item: next((place[p] for p in LONGEST if item.nodeid.startswith(p)), len(LONGEST)))
    for item in items:
        if item.nodeid.startswith("notebooks/09"):
            item.add_marker(
                needs(all(map(ready, RELEASES)), "run `lecture fetch smollm2 minilm`: two models of notebook 09")
            )
        if item.get_closest_marker("platform"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if hasattr(item, "output_timeout"):  # nbval's: how long it waits for the end of a cell that has answered
            item.output_timeout = 600


class KernelDied(Exception):
    """The process of a notebook's kernel ended while a cell was running."""


def get_message(self: Any, stream: str, timeout: float | None = None) -> Any:
    """Wait for a kernel's message as nbval does, but not for that of a kernel that is gone."""
    # nbval asks for a new kernel's first answer within 10 seconds: a busy machine may need more
    limit = time.monotonic() + max(timeout or 0, 600 if stream == "shell" else 0)
    while True:
        try:
            return nbval_get_message(self, stream, timeout=min(1, timeout or 1))
        except Empty:
            if not self.is_alive():
                raise KernelDied("the kernel died: its process has ended") from None
            if time.monotonic() > limit:
                raise


nbval_get_message = nbval.kernel.RunningKernel.get_message
nbval.kernel.RunningKernel.get_message = get_message


def execute_cell_input(self: Any, cell_input: str, allow_stdin: bool | None = None) -> str:
    """Run a cell as nbval does, but with history: a claim finds the runs with other seeds by the cells before it."""
    message: str = self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)
    return message


nbval.kernel.RunningKernel.execute_cell_input = execute_cell_input
