"""The tests, and the kernels that they start, reach no other machine."""

import socket
import subprocess
import sys

import pytest

# An address of the range that is set aside for documentation: nothing answers there.
ELSEWHERE = "192.0.2.1"
ATTEMPTS = {
    "connect": f"socket.create_connection(({ELSEWHERE!r}, 80), timeout=1)",
    "connect_ex": f"socket.socket().connect_ex(({ELSEWHERE!r}, 80))",
    "lookup": "socket.getaddrinfo('example.org', 80)",
    "old lookup": "socket.gethostbyname('example.org')",
    "datagram": f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ({ELSEWHERE!r}, 9))",
    "page": "__import__('urllib.request').request.urlopen('http://example.org', timeout=1)",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_a_started_process_reaches_no_other_machine(attempt):
    done = subprocess.run([sys.executable, "-c", f"import socket; {attempt}"], capture_output=True, text=True)
    assert done.returncode == 1 and "the tests are offline" in done.stderr, done.stderr


@pytest.mark.parametrize("attempt", [ATTEMPTS["connect"], ATTEMPTS["lookup"]])
def test_the_test_process_reaches_no_other_machine(attempt):
    with pytest.raises(OSError, match="the tests are offline"):
        eval(attempt, {"socket": socket})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached(host):
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection((host, server.getsockname()[1]), timeout=5) as client:
        connection, _ = server.accept()
        with connection:
            client.sendall(b"hello")
            assert connection.recv(5) == b"hello"
