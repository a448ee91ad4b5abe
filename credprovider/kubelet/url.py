"""Go's `url.Parse` of ``https://`` + text, as far as the kubelet looks at the result: host and path, or an error; pure.

The kubelet reads patterns, auth keys and images this way (ParseSchemelessURL in pkg/credentialprovider/keyring.go).
Source: Go 1.26 ``src/net/url/url.go``. Kubelets before 1.36 are built with colons in hosts allowed (GODEBUG
``urlstrictcolons=0`` by their go.mod), hence the switch. Other differences between Go releases concern brackets; those
of the newest patch releases count here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_HOST_BYTES = frozenset(b"!\"$&'()*+,-.0123456789:;<=>ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~")
_USERINFO_BYTES = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_CONTROL_BYTES = re.compile(rb"[\x00-\x1f\x7f]")
_PORT = re.compile(rb"(?::[0-9]*)?")
_LAST_ASCII = 0x7F
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


class UrlError(ValueError):
    """Go would refuse the text; the message is Go's without the ``parse "https://..."`` in front."""


@dataclass(frozen=True)
class Url:
    """What the kubelet compares: host with port as written, and the percent-decoded path; Go compares bytes."""

    host: bytes
    path: bytes


def parse_schemeless(text: str | bytes, *, strict_colons: bool = True) -> Url:
    """Parse a pattern, an auth key or an image name.

    Args:
        text: without a scheme; a str may hold undecodable bytes as surrogates.
        strict_colons: refuse hosts with more than one colon, as kubelets from 1.36 do.

    Raises:
        UrlError: wherever `url.Parse` fails.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    before, _, fragment = raw.partition(b"#")
    if _CONTROL_BYTES.search(before):
        raise UrlError("net/url: invalid control character in URL")
    authority, slash, path = before.partition(b"?")[0].partition(b"/")
    url = Url(_parse_authority(authority, strict_colons=strict_colons), _unescape(slash + path))
    _unescape(fragment)
    return url


def _parse_authority(authority: bytes, *, strict_colons: bool) -> bytes:
    """The host with its port; user and password are checked and dropped."""
    userinfo, _, host = authority.rpartition(b"@")
    parsed = _parse_host(host, strict_colons=strict_colons)
    if not _USERINFO_BYTES.fullmatch(userinfo):
        raise UrlError("net/url: invalid userinfo")
    _unescape(userinfo)
    return parsed


def _parse_host(host: bytes, *, strict_colons: bool) -> bytes:
    bracket = host.rfind(b"[")
    if bracket > 0:
        raise UrlError("invalid IP-literal")
    if bracket == 0:
        return _parse_bracketed(host)
    colon = host.find(b":") if strict_colons else host.rfind(b":")
    if colon >= 0:
        _check_port(host[colon:])
    return _unescape_host(host)


def _parse_bracketed(host: bytes) -> bytes:
    """``[IPv6]`` or ``[IPv6%25zone]`` with an optional port."""
    inner, bracket, port = host[1:].rpartition(b"]")
    if not bracket:
        raise UrlError("missing ']' in host")
    _check_port(port)
    name, zone_mark, zone = inner.partition(b"%25")
    address = _unescape_host(name)
    if zone_mark:
        address += _unescape_host(zone_mark + zone, zone=True)
    _check_ipv6(address)
    return b"[" + address + b"]" + port


def _check_port(port: bytes) -> None:
    if not _PORT.fullmatch(port):
        raise UrlError(f"invalid port {_quote(port)} after host")


def _check_ipv6(address: bytes) -> None:
    """Go's netip.ParseAddr, IPv4 excluded: a zone must not be empty, and may hold what it likes."""
    number, percent, zone = address.decode("utf-8", "surrogateescape").partition("%")
    try:
        ipaddress.IPv6Address(number)
    except ValueError:
        raise UrlError("invalid host: not an IPv6 address between the brackets") from None
    if percent and not zone:
        raise UrlError("invalid host: zone must be a non-empty string")


def _unescape_host(text: bytes, *, zone: bool = False) -> bytes:
    """Decode a host: escapes stand for bytes from 0x80, in a zone for host characters and spaces; ``%25`` always."""
    for match in _ESCAPE.finditer(text):
        if match[1] is None:
            raise _bad_escape(text, match.start())
        byte = int(match[1], 16)
        allowed = byte in _HOST_BYTES or byte == ord(" ") if zone else byte > _LAST_ASCII
        if not allowed and match[0] != b"%25":
            raise UrlError(f"invalid URL escape {_quote(match[0])}")
    for byte in _ESCAPE.sub(b"", text):
        if byte <= _LAST_ASCII and byte not in _HOST_BYTES:
            raise UrlError(f"invalid character {_quote(bytes([byte]))} in host name")
    return _unescape(text)


def _unescape(text: bytes) -> bytes:
    """Decode percent escapes; a percent sign without two hexadecimal digits is an error."""

    def decode(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise _bad_escape(text, match.start())
        return bytes([int(match[1], 16)])

    return _ESCAPE.sub(decode, text)


def _bad_escape(text: bytes, start: int) -> UrlError:
    return UrlError(f"invalid URL escape {_quote(text[start : start + 3])}")


def _quote(text: bytes) -> str:
    """Go's strconv.Quote, near enough for a message."""
    quoted = text.decode("utf-8", "backslashreplace").replace("\\", "\\\\").replace('"', '\\"')
    shown = (character if character.isprintable() else ascii(character)[1:-1] for character in quoted)
    return f'"{"".join(shown)}"'
