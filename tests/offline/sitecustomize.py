"""Close this process's sockets to all but its own machine.

Python imports a module of this name at start-up if its folder stands in PYTHONPATH. An audit hook sees every
connection and every lookup that goes through Python's socket module, and cannot be taken off again.
"""

import errno
import ipaddress
import socket
import sys

EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
OWN_NAMES = {"", "localhost", socket.gethostname()}


def is_this_machine(host: object) -> bool:
    """Return whether a host, by name or by number, is the machine itself."""
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in OWN_NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(name))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse_other_machines(event: str, args: tuple) -> None:
    """Raise OSError where a socket is about to reach another machine."""
    if event not in EVENTS:
        return
    # The address stands last where there is a socket before it; a path names a socket of this machine.
    where = args[0] if event.startswith("socket.get") else args[1]
    if event.startswith("socket.get") or isinstance(where, tuple):
        host = where[0] if isinstance(where, tuple) else where
        if not is_this_machine(host):
            raise OSError(errno.ENETUNREACH, f"the tests are offline, but {event} asked for {host!r}")


sys.addaudithook(refuse_other_machines)
