"""What a container's script does with kubectl and Google, read off its words without running anything; pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credprovider.setup.migrate.docker_config import NO_HOST, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLIENTS = ("kubectl", "oc")
_DOCKER_TYPE = "kubernetes.io/dockerconfigjson"
#: Flags of kubectl whose value is the next word.
_WITH_VALUE = frozenset(
    {"-n", "--namespace", "-o", "--output", "-p", "--patch", "--patch-file", "-f", "--filename", "-l", "--selector"}
    | {"-s", "--server", "--type", "--context", "--kubeconfig", "--token", "--field-manager", "--timeout"}
    | {"--docker-server", "--docker-username", "--docker-password", "--docker-email", "--from-file", "--from-literal"}
)
_OPERATORS = frozenset(";|&()<>\n")
_HARMLESS = frozenset({"get", "describe", "wait", "version", "config", "auth", "cluster-info", "api-resources"})
_SECRET_KINDS = ("secret", "secrets")
_ACCOUNT_KINDS = ("serviceaccount", "serviceaccounts", "sa")

_ASSIGNMENT = re.compile(r"(?:^|[;\n]|\bexport[ \t])[ \t]*([A-Za-z_]\w*)=(?:\"([^\"$`\n]*)\"|'([^'\n]*)'|([\w.:/@-]+))")
#: What the kubelet itself replaces in commands and arguments.
_KUBELETS_OWN = re.compile(r"\$\(([A-Za-z_]\w*)\)")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|\(([A-Za-z_]\w*)\)|([A-Za-z_]\w*))")
_GOOGLE_TOKEN = re.compile(
    r"gcloud\s[^\n;|&]*print-access-token|\b(?:sts|iamcredentials|oauth2)\.googleapis\.com|\boauth2accesstoken\b"
    r"|metadata\.google\.internal"
)
_HOST = re.compile(r"\b(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z0-9-]+\.)?gcr\.io)\b", re.IGNORECASE)


@dataclass(frozen=True)
class SecretWrite:
    """A pull Secret that a script writes.

    Attributes:
        name: empty where the script computes it.
        namespace: None where the script computes it, empty for the pod's own.
        host: of the registry; empty where it is not known.
    """

    name: str
    namespace: str | None
    host: str


@dataclass
class Deeds:
    """What a script does, as far as its words tell.

    Attributes:
        google_token: does it get an access token of Google's?
        google_host: does it name a registry of Google's?
        account_patches: does it put the Secret into ServiceAccounts?
        others: whatever else it changes in the cluster, e.g. ``scale deployment``.
    """

    writes: list[SecretWrite] = field(default_factory=list)
    google_token: bool = False
    google_host: bool = False
    account_patches: bool = False
    others: list[str] = field(default_factory=list)


def read_script(text: str, variables: Mapping[str, str]) -> Deeds:
    """Look through a script.

    Args:
        text: command, arguments and mounted scripts, one below the other.
        variables: the container's environment, where values are plain.
    """
    known = {**variables, **{name: a or b or c for name, a, b, c in _ASSIGNMENT.findall(text)}}
    deeds = Deeds(google_token=bool(_GOOGLE_TOKEN.search(text)), google_host=bool(_HOST.search(text)))
    for words in _commands(_KUBELETS_OWN.sub(lambda match: variables.get(match[1], match[0]), text)):
        for index, word in enumerate(words):
            if word.rpartition("/")[2] in _CLIENTS:
                _note(deeds, [_expanded(each, known) for each in words[index + 1 :]])
                break
    if not deeds.writes and _DOCKER_TYPE in text:
        deeds.writes.append(SecretWrite("", None, ""))
    return deeds


def _commands(text: str) -> Iterator[list[str]]:
    """Simple commands as lists of words."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words: list[str] = []
        try:
            for word in lexer:
                if word and _OPERATORS.issuperset(word):
                    yield words
                    words = []
                else:
                    words.append(word)
        except ValueError:  # a quotation that ends on another line
            words = line.split()
        yield words


def _expanded(word: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3] or match[4]
        return known.get(name) or match[2] or match[0]

    return _VARIABLE.sub(value, word)


def _note(deeds: Deeds, arguments: list[str]) -> None:
    """Take one kubectl command down."""
    words, flags = _split(arguments)
    verb, kind, name = (*words, "", "", "")[:3]
    kind, slash, inline = kind.partition("/")
    name = inline if slash else name
    if verb in _HARMLESS or not verb or ("--dry-run" in flags and verb != "create"):
        return
    if kind in _SECRET_KINDS:
        if verb == "create":
            name = (*words, "", "", "", "")[3]
            is_pull_secret = words[2:3] == ["docker-registry"] or any(_DOCKER_TYPE in each for each in flags.values())
        else:
            is_pull_secret = verb in {"patch", "apply", "replace"}
        if is_pull_secret:
            deeds.writes.append(_write(name, flags))
        elif verb not in {"annotate", "delete", "label"}:
            deeds.others.append(f"{verb} secret")
    elif kind in _ACCOUNT_KINDS and verb == "patch":
        deeds.account_patches = True
    elif verb not in {"apply", "replace"} or flags.get("-f", flags.get("--filename")) != "-":
        deeds.others.append(f"{verb} {kind}".strip())


def _write(name: str, flags: Mapping[str, str]) -> SecretWrite:
    namespace: str | None = flags.get("-n", flags.get("--namespace", ""))
    server = flags.get("--docker-server", "")
    return SecretWrite(
        "" if "$" in name else name,
        None if namespace is None or "$" in namespace else namespace,
        _host_of(server),
    )


def _host_of(server: str) -> str:
    """A computed part, such as that of ``$REGION-docker.pkg.dev``, may be anything; what is all computed is unknown."""
    host = host_of(_VARIABLE.sub("region", server))
    return "" if not server or (host == NO_HOST and "$" in server) else host


def _split(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words and flags of a kubectl command."""
    words: list[str] = []
    flags: dict[str, str] = {}
    pending = iter(arguments)
    for argument in pending:
        if not argument.startswith("-") or argument == "-":
            words.append(argument)
            continue
        if argument[:2] == "-n" and len(argument) > 2:
            argument = f"-n={argument[2:].removeprefix('=')}"  # noqa: PLW2901 - one spelling of -nNAME
        flag, equals, value = argument.partition("=")
        flags[flag] = value if equals or flag not in _WITH_VALUE else next(pending, "")
    return words, flags
