"""`check-response`: judges a response on stdin as the kubelet would; shows no password, wherever it may stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from credprovider.commands import CommandParser
from credprovider.commands.request import full_version, repository
from credprovider.kubelet.duration import format_duration
from credprovider.kubelet.response import judge_response, show_key
from credprovider.kubelet.response_surprises import GOOGLE_USERNAMES, response_surprises

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, TextIO

    from credprovider.kubelet.response import Credential, Response, Verdict


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:
    """Write a verdict to stdout.

    Args:
        argv: what follows ``check-response``.
        stdin: the response.
        stdout: takes the verdict.
        stderr: takes complaints.

    Returns:
        0 for a response that the kubelet uses (and that has a credential for the image, if one is given), 1 for any
        other, 2 for a usage error.
    """
    parser = CommandParser(
        "check-response",
        "Judge the CredentialProviderResponse on stdin as strictly as the kubelet (1.32 and newer), and warn of what is"
        " legal but rarely meant. No password is shown.",
        stdout,
        stderr,
    )
    parser.add_argument("--api-version", default="v1", metavar="V", help="that was asked for; v1 by default")
    parser.add_argument("--image", metavar="IMAGE", help="also say which credentials this image would get")
    options, code = parser.read(argv)
    if code is not None:
        return code
    try:
        version = full_version(options.api_version)
        image = repository(options.image) if options.image is not None else None
    except ValueError as error:
        return parser.refuse(str(error))
    response = stdin.read()
    if not response.strip():
        stdout.write(_NOTHING)
        return 1
    verdict = judge_response(response, api_version=version, image=image)
    stdout.write("".join(f"{line}\n" for line in _lines(verdict, image)).encode())
    return 0 if verdict.accepted and (image is None or verdict.credentials) else 1


#: What a pipe shows after a plugin that failed.
_NOTHING = b"""\
refused: there is no response; a plugin that fails writes none
  exit code and stderr of the plugin tell why, as they tell the kubelet: see the line above
"""


def _lines(verdict: Verdict, image: str | None) -> Iterator[str]:
    if not verdict.accepted or verdict.response is None:
        yield "refused: the kubelet has no credentials from this response, and pulls anonymously"
        yield from (f"  because: {cause}" for cause in verdict.causes)
        yield f"  kubelet's log: {verdict.log}"
        yield "  not counted in kubelet_credential_provider_plugin_errors_total; the plugin's stderr is not logged"
        return
    response = verdict.response
    yield "accepted: the kubelet uses this response"
    yield f"  kept: {_kept(response)}"
    yield from (f"  auth key {_shown(credential)}" for credential in response.auth.values())
    if verdict.credentials is not None:
        keys = ", ".join(show_key(credential.key) for credential in verdict.credentials)
        yield f"  {image}: " + (f"tried in this order: {keys}" if keys else "no key covers it: an anonymous pull")
    yield from (f"warning: {surprise.message} [{surprise.rule}]" for surprise in response_surprises(response))


def _kept(response: Response) -> str:
    scope = {"Image": "this image", "Registry": "this registry", "Global": "all images that the provider matches"}
    for_whom = f"for {scope[response.cache_key_type]} (cacheKeyType {response.cache_key_type})"
    if response.cache_duration is None:
        return f"as long as the provider's defaultCacheDuration, {for_whom}"
    if response.cache_duration <= 0:
        return f"not at all (cacheDuration {format_duration(response.cache_duration)})"
    return f"{format_duration(response.cache_duration)}, {for_whom}"


def _shown(credential: Credential) -> str:
    user = credential.username if credential.username in GOOGLE_USERNAMES else "***"
    return f"{show_key(credential.key)}: user {user}, password of {len(credential.password)} characters"
