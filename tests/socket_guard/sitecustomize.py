"""In every Python process that the tests start, also those of the app: whoever asks another host is refused, and written down.

Python imports a module of this name by itself. The tests' own process installs it from conftest.py.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

ASKED = "DMLVIZ_TEST_ASKED"  # environment variable: the file that names who asked whom


def install() -> None:
    """Refuse connections and look-ups that leave this machine; pip alone may fetch packages."""
    if any("pip" in word for word in getattr(sys, "orig_argv", [])[1:4]) or getattr(socket.socket.connect, "guards", False):
        return
    real = {"connect": socket.socket.connect, "connect_ex": socket.socket.connect_ex, "getaddrinfo": socket.getaddrinfo}

    def connect(self, address):
        _check(self.family, address)
        return real["connect"](self, address)

    def connect_ex(self, address):
        _check(self.family, address)
        return real["connect_ex"](self, address)

    def getaddrinfo(host, *rest, **named):
        _check(socket.AF_INET, (host, 0))
        return real["getaddrinfo"](host, *rest, **named)

    connect.guards = True
    socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo


def _check(family: int, address: object) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = address[0] if isinstance(address, tuple) else address
    if not is_here(host):
        # The dashboard of a cluster that a test starts, as an administrator would, asks which cloud it is in: refused, but not our asking
        of_ray = sys.argv[0].replace(os.sep, "/").endswith("ray/dashboard/dashboard.py")
        if not of_ray and (path := os.environ.get(ASKED)):
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{os.getpid()} {' '.join(sys.argv[:3])}: {host}\n")
        raise OSError(f"the tests refuse a request to {host!r}")


def is_here(host: object) -> bool:
    """This machine under any of its names and addresses."""
    name = host.decode() if isinstance(host, bytes) else str(host or "").partition("%")[0]
    if name in ("", "localhost", "0.0.0.0", "::", socket.gethostname()):
        return True
    try:
        if ipaddress.ip_address(name).is_loopback:
            return True
    except ValueError:
        return False
    import psutil  # Ray talks to its own node by the machine's address

    return any(name == one.address for found in psutil.net_if_addrs().values() for one in found)


install()
