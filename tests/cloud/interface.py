"""Brings up `lo` and gives it the metadata address, by ioctl so that iproute2 is not needed; run by `enter`."""

from __future__ import annotations

import fcntl
import socket
import struct

# linux/sockios.h and linux/if.h
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 1


def _address_request(interface: str, address: str) -> bytes:
    """A struct ifreq with an IPv4 address."""
    return struct.pack("16sHH4s8x", interface.encode(), socket.AF_INET, 0, socket.inet_aton(address))


def raise_loopback() -> None:
    """Sets `lo` up; OSError when the namespace is not ours to change."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        (flags,) = struct.unpack_from("16xh", answer)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def add_address(number: int, address: str) -> None:
    """Gives `lo` an address/32 more, or another one than that number had.

    Args:
        number: 1 is the metadata service's; others are a test's own.
        address: IPv4.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFADDR, _address_request(f"lo:{number}", address))
        fcntl.ioctl(control, SIOCSIFNETMASK, _address_request(f"lo:{number}", "255.255.255.255"))


if __name__ == "__main__":
    raise_loopback()
    add_address(1, "169.254.169.254")
