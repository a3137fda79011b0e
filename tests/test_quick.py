"""The start-up module that cuts trainings short: it does that, and closes the sockets as well."""

import os
import subprocess
import sys
from pathlib import Path

QUICK = Path(__file__).parent / "quick"

# asked for more steps than there will be, for none in particular, and for fewer
TRIAL = """
import torch
from lecturelib.label_efficiency import fine_tune  # as others import it
from lecturelib.training import fit

line, x = torch.nn.Linear(1, 1), torch.linspace(-1, 1, 8)[:, None]
for asked in ({"steps": 300}, {}, {"steps": 7}):
    print(fit(line, lambda m, b: (m(b[0]) - b[1]).square().mean(), (x, x), **asked).steps[-1])
print(*(f.__wrapped__.__qualname__ for f in (fit, fine_tune)))
import socket
socket.getaddrinfo("example.org", 80)
"""


def test_trainings_are_short_and_sockets_closed():
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(QUICK), os.environ["PYTHONPATH"]])}
    variables["LECTURELIB_STEPS"] = "30"
    done = subprocess.run([sys.executable, "-c", TRIAL], env=variables, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["30", "30", "7", "fit fine_tune"], done.stderr
    assert done.returncode == 1 and "the tests are offline" in done.stderr
