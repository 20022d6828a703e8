"""What the process that fetches may do: an audit hook, which code in it cannot take off again."""

import errno
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emsync.film.link.messages import ADVICE, Refused, shown

_PORTS = {80, 443}  # and all from 1024 on
_METADATA = {"168.63.129.16"}  # Azure's, which looks like a public address
_PROTOCOL_NUMBERS = ipaddress.ip_network("192.0.0.0/24")  # Oracle's metadata among them
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = {
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "os.startfile", "pty.spawn", "webbrowser.open", "ftplib.connect",
    "smtplib.connect", "socket.bind", "socket.sendto",
}  # fmt: skip
_OF_ONE_PATH = {"os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.chown"}
_OF_TWO_PATHS = {"os.rename", "os.link", "os.symlink"}


def audit_hook(private: bool) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook for `sys.addaudithook` that confines this process to the web and this folder.

    It may connect over TCP to public addresses, ask for http and https addresses, and change files
    in the current folder. Anything else raises `Refused`, or `PermissionError` where it is nothing
    that a person should be told of.

    Args:
        private: also connect to private addresses and to any port.
    """
    home = os.path.realpath(Path.cwd())

    def inside(path: object) -> bool:
        if isinstance(path, int):
            return True  # opened before, and looked at then
        place = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        return place == os.devnull or place.startswith(home + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            allow_connection(arguments[1], private)
        elif event == "urllib.Request":
            scheme = str(arguments[0]).partition(":")[0].lower()
            if scheme not in ("http", "https"):
                raise Refused(
                    f"The link leads to {shown(scheme, 20)}: instead of a web page, and EMSYNC "
                    f"does not go there. {ADVICE}"
                )
        elif event in _FORBIDDEN or (event == "socket.sendmsg" and arguments[1] is not None):
            raise PermissionError(errno.EACCES, f"{event} is not for this process")
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _CHANGES and not inside(path):
                raise PermissionError(errno.EACCES, "only the scratch folder is written to")
        elif (event in _OF_ONE_PATH and not inside(arguments[0])) or (
            event in _OF_TWO_PATHS and not (inside(arguments[0]) and inside(arguments[1]))
        ):
            raise PermissionError(errno.EACCES, "only the scratch folder is changed")

    return hook


def allow_connection(address: object, private: bool) -> None:
    """Raise unless a socket may be connected to this address, as `audit_hook` says.

    Args:
        address: as for `socket.connect`: of TCP (host in digits, port, …).
        private: also allow private addresses and any port.

    Raises:
        Refused: it may not.
    """
    known = isinstance(address, tuple) and len(address) >= 2
    host, port = (address[0], address[1]) if isinstance(address, tuple) and known else ("", 0)
    if private and known:
        return
    if not is_public(str(host)):
        raise Refused(
            "The link leads to a computer in a private network, and EMSYNC does not go there. "
            f"{ADVICE}"
        )
    if port not in _PORTS and port < 1024:
        raise Refused(
            f"The link leads to port {port}, where no films are served, and EMSYNC does not go "
            f"there. {ADVICE}"
        )


def is_public(address: str) -> bool:
    """Return whether an IP address, in digits, is one of the open internet.

    Not those of this host, of private networks, of links, of groups, of carriers, of documentation,
    nor those that hosting companies answer their own machines on; nor such an IPv4 address wrapped
    in an IPv6 address.
    """
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped:
            return is_public(str(number.ipv4_mapped))
        if number in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)))
        if number.sixtofour or number.teredo or number.is_site_local:
            return False
    return (
        number.is_global
        and not (number.is_multicast or number.is_reserved or number.is_unspecified)
        and str(number) not in _METADATA
        and number not in _PROTOCOL_NUMBERS
    )
