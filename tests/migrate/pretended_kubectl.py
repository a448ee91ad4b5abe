"""A stand-in for kubectl over a file of objects, as far as the plans use it: run as ``kubectl``, store in $STORE."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

_VALUED = {"-n", "-o", "-f", "-p", "--context", "--kubeconfig"}
_STORE = Path(os.environ["STORE"])


def main(argv: list[str]) -> int:
    """One command; fails as kubectl does, by exit code and a line on stderr."""
    with Path(os.environ["CALLS"]).open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    words, flags = _split(argv)
    verb = words[0]
    objects: list[dict[str, Any]] = json.loads(_STORE.read_text())
    if verb in os.environ.get("FORBIDDEN", "").split() or words[1:2] == [os.environ.get("FORBIDDEN_TYPE")]:
        _fail(f"forbidden: {verb}")
    if verb == "config":
        print(os.environ.get("CONTEXT", "test"))
    elif verb == "get":
        _get(objects, words, flags)
    elif verb in {"cluster-info", "rollout"}:
        return 0
    elif verb in {"patch", "delete", "create"}:
        _change(objects, verb, words, flags)
        _STORE.write_text(json.dumps(objects))
    else:
        _fail(f"unknown command {verb}")
    return 0


def _split(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    flags: dict[str, str] = {}
    pending = iter(argv)
    for word in pending:
        name, equals, value = word.partition("=")
        if word.startswith("-") and word != "-":
            flags[name] = next(pending) if word in _VALUED else value if equals else "true"
        else:
            words.append(word)
    return words, flags


def _get(objects: list[dict[str, Any]], words: list[str], flags: dict[str, str]) -> None:
    kinds = [_singular(kind) for kind in words[1].split(",")]
    found = [each for each in objects if each["kind"].lower() in kinds and _is_meant(each, words[2:3], flags)]
    if words[2:] and not found:
        if "--ignore-not-found" in flags:
            return
        _fail(f'{words[1]} "{words[2]}" not found')
    form = flags.get("-o", "table")
    if form == "table":
        return
    if form == "name":
        print(*(f"{each['kind'].lower()}/{each['metadata']['name']}" for each in found), sep="\n")
    elif form.startswith("jsonpath={range"):
        for each in found:
            names = "".join(f"[{name}]" for name in _names(each))
            print(f"{each['kind']}/{each['metadata']['name']}:{names}")
    elif form.startswith("jsonpath="):
        print(*_path(found[0], form[len("jsonpath={.") : -1]), end="")
    elif words[2:]:
        print(json.dumps(found[0]))
    else:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))


def _is_meant(each: dict[str, Any], names: list[str], flags: dict[str, str]) -> bool:
    meta = each["metadata"]
    field, _, value = flags.get("--field-selector", "").partition("=")
    selected = {"type": each.get("type"), "metadata.name": meta["name"], "": ""}
    namespace = meta.get("namespace", "")
    everywhere = "--all-namespaces" in flags or not namespace
    return (
        (not names or meta["name"] == names[0])
        and (everywhere or namespace == flags.get("-n", "default"))
        and bool(selected[field] == value)
    )


def _change(objects: list[dict[str, Any]], verb: str, words: list[str], flags: dict[str, str]) -> None:
    if verb == "create":
        text = sys.stdin.read() if flags["-f"] == "-" else Path(flags["-f"]).read_text()
        made = json.loads(text)
        if any(_key(each) == _key(made) for each in objects):
            _fail("already exists")
        if made["kind"] == "Pod":  # its image is pulled at once
            made["status"] = {"containerStatuses": [{"imageID": made["spec"]["containers"][0]["image"]}]}
        objects.append(made)
        return
    found = [
        each for each in objects if each["kind"].lower() == _singular(words[1]) and _is_meant(each, words[2:], flags)
    ]
    if not found and "--ignore-not-found" in flags:
        return
    if len(found) != 1 or len(words) != 3:
        _fail("not found")
    if verb == "delete":
        objects.remove(found[0])
    else:
        _patch(found[0], json.loads(flags["-p"]))


def _key(each: dict[str, Any]) -> tuple[str, str, str]:
    return each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]


def _patch(target: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    """RFC 6902 as the API server has it: a member that is absent tests equal to null."""
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder = target
        for part in way:
            holder = holder[part]
        if operation["op"] == "test" and holder.get(last) != operation["value"]:
            _fail("testing value failed")
        elif operation["op"] == "remove":
            del holder[last]
        elif operation["op"] in {"add", "replace"}:
            if operation["op"] == "replace" and last not in holder:
                _fail("replace of nothing")
            holder[last] = operation["value"]


def _singular(kind: str) -> str:
    return kind.partition(".")[0].removesuffix("s") if kind != "pods" else "pod"


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [entry["name"] for entry in value.get("imagePullSecrets", [])]
        return own + [name for each in value.values() for name in _names(each)]
    return [name for each in value for name in _names(each)] if isinstance(value, list) else []


def _path(value: Any, path: str) -> list[str]:
    found = [value]
    for part in re.findall(r"((?:\\.|[^.\[])+|\[\*\]|\[\d+\])\.?", path):
        if part == "[*]":
            found = [item for each in found for item in each or []]
        elif part.startswith("["):
            found = [each[int(part[1:-1])] for each in found if each]
        else:
            found = [(each or {}).get(part.replace("\\", "")) for each in found]
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in found if each is not None]


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"Error: {message}\n")
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
