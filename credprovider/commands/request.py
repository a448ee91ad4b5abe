"""`request`: the bytes that the kubelet would write to a plugin's stdin for an image; for a pipe to the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from credprovider.commands import CommandParser
from credprovider.kubelet.reference import ImageNameError, image_name
from credprovider.kubelet.request import API_VERSIONS, GROUP, V1, encode_request
from credprovider.secret import Secret

if TYPE_CHECKING:
    from typing import BinaryIO, TextIO


def run(argv: list[str], stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:
    """Write one request to stdout.

    Args:
        argv: what follows ``request``.
        stdin: read for ``--service-account-token -`` only.
        stdout: takes the request, the ServiceAccount token included, for that is what the plugin is to read.
        stderr: takes complaints.

    Returns:
        0, or 2 where the kubelet could not send such a request.
    """
    parser = CommandParser(
        "request",
        "Print the request that the kubelet would send for IMAGE: tag and digest dropped, short names in full.",
        stdout,
        stderr,
    )
    parser.add_argument(
        "image", metavar="IMAGE", help="as in a pod, e.g. us-docker.pkg.dev/project/repository/image:tag"
    )
    parser.add_argument("--api-version", default="v1", metavar="V", help="v1 (default), v1beta1 or v1alpha1")
    parser.add_argument("--service-account-token", metavar="FILE", help="token of the pod, v1 only; - is stdin")
    parser.add_argument(
        "--service-account-annotation",
        metavar="K=V",
        action="append",
        default=[],
        help="annotation of the pod's ServiceAccount, v1 only; may be given several times",
    )
    options, code = parser.read(argv)
    if code is not None:
        return code
    try:
        version = full_version(options.api_version)
        image = repository(options.image)
        annotations = dict(read_annotation(text) for text in options.service_account_annotation)
        token = read_token(options.service_account_token, stdin) if options.service_account_token else None
    except ValueError as error:
        return parser.refuse(str(error))
    if version != V1 and (token or annotations):
        return parser.refuse(f"the kubelet sends ServiceAccount tokens and annotations with {V1} only")
    stdout.write(encode_request(image, api_version=version, token=token, annotations=annotations))
    return 0


def full_version(text: str) -> str:
    """An apiVersion that may have been given without its group.

    Raises:
        ValueError: no version of the protocol.
    """
    version = text if "/" in text else f"{GROUP}/{text}"
    if version not in API_VERSIONS:
        raise ValueError(f"--api-version must be one of {', '.join(API_VERSIONS)}, with or without the group")
    return version


def repository(image: str) -> str:
    """The repository name of a pod's image.

    Raises:
        ValueError: with a sentence that names the argument.
    """
    try:
        return image_name(image)
    except ImageNameError as error:
        raise ValueError(f"IMAGE {image!r} is no image name: {error}") from None


def read_annotation(text: str) -> tuple[str, str]:
    """Key and value of ``--service-account-annotation``.

    Raises:
        ValueError: with a sentence that names the argument.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--service-account-annotation {text!r} is not of the form K=V")
    return key, value


def read_token(path: str, stdin: BinaryIO) -> Secret:
    """The token of ``--service-account-token``, without the newline that an editor or a shell leaves behind it.

    Raises:
        ValueError: with a sentence that names the argument.
    """
    try:
        content = stdin.read() if path == "-" else Path(path).read_bytes()
        token = content.decode("ascii").strip()
    except OSError as error:
        raise ValueError(f"--service-account-token {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"--service-account-token {path} holds no token: it is not ASCII") from None
    if not token:
        raise ValueError(f"--service-account-token {path} is empty")
    return Secret(token)
