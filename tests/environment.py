"""The conditions of every test: a plugin that pyproject.toml loads, so that they hold for one notebook too.

The kernels that nbval starts inherit the variables: one thread and a fixed hash seed (so that outputs can be
compared), claims that raise, and sockets that reach nothing but this machine.
"""

import os
from pathlib import Path

from lecturelib.workshop.publish.execute import ENVIRONMENT

OFFLINE = Path(__file__).parent / "offline"

os.environ.update(ENVIRONMENT)
os.environ.pop("MPLBACKEND", None)  # a kernel chooses its own
search_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
if str(OFFLINE) not in search_path:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *filter(None, search_path)])

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402  (reads the variables above)

from tests.offline import sitecustomize  # noqa: E402, F401  (closes the sockets of this process too)

torch.set_num_threads(1)

# The same examples in every run, and no verdict by the clock. Failing examples are not made smaller: they are small by
# their strategies, that may take five minutes, and the planted bugs fail on purpose, hundreds of times.
hypothesis.settings.register_profile(
    "lecturelib",
    deadline=None,
    derandomize=True,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("lecturelib")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a second try to the tests of the platform: they wait for other programs, which may be late."""
    for item in items:
        if item.get_closest_marker("platform"):
            item.add_marker(pytest.mark.flaky(reruns=1))
