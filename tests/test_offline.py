"""The tests, and the kernels that they start, reach no other machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# An address of the range that is set aside for documentation: nothing answers there.
ELSEWHERE = "192.0.2.1"
ATTEMPTS = {
    "connect": f"socket.create_connection(({ELSEWHERE!r}, 80), timeout=1)",
    "connect_ex": f"socket.socket().connect_ex(({ELSEWHERE!r}, 80))",
    "lookup": "socket.getaddrinfo('example.org', 80)",
    "old lookup": "socket.gethostbyname('example.org')",
    "datagram": f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ({ELSEWHERE!r}, 9))",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_no_other_machine_is_reached(attempt):
    with pytest.raises(OSError, match="the tests are offline"):
        eval(attempt, {"socket": socket})


@pytest.mark.parametrize("first", ["", "quick"])  # the module that cuts trainings short does this work, too
def test_a_started_process_reaches_none_either(first):
    ahead = [str(Path(__file__).parent / first)] if first else []
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([*ahead, os.environ["PYTHONPATH"]])}
    code = f"import socket; {ATTEMPTS['lookup']}"
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 1 and "the tests are offline" in done.stderr, done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=5).close()
