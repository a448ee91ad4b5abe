"""Generated CredentialProviderConfigs: mostly good, with oddities in meaning, in YAML or JSON style, and in bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.kubelet.config_words import (
    AFTER,
    BEFORE,
    CONFIG_VERSIONS,
    GATE,
    KEYS,
    ODD_KEYS,
    ODD_PATTERNS,
    OTHER_KINDS,
    OTHER_NAMES,
    OTHER_PROVIDER_VERSIONS,
    OTHER_VERSIONS,
    PATTERNS,
    PLUGINS,
    PROVIDER_VERSIONS,
)
from tests.kubelet.damage import damaged
from tests.kubelet.durations import duration
from tests.kubelet.json_texts import value
from tests.kubelet.real import ConfigCase
from tests.kubelet.yaml_texts import RAW, Item, Mapping, Raw, Sequence, yaml_of

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices


def generated_config(choices: Choices) -> ConfigCase:
    """A case: one file."""
    document = _document(choices)
    for _ in range(max(0, choices.below(6) - 3)):
        _spoil(choices, choices.pick(_collections(document)))
    if choices.seldom(4):
        text = _as_json(choices, document)
    else:
        text = choices.pick(BEFORE) if choices.seldom(30) else ""
        text += yaml_of(choices, document)
        text += choices.pick(AFTER) if choices.seldom(25) else ""
    data = _encoded(choices, text)
    if choices.seldom(12):
        data = damaged(choices, data)
    return ConfigCase(data, PLUGINS, {GATE: not choices.seldom(20)})


def _document(choices: Choices) -> Mapping:
    document = Mapping()
    version = choices.pick(OTHER_VERSIONS) if choices.seldom(40) else CONFIG_VERSIONS[max(0, choices.below(24) - 21)]
    document.set("apiVersion", version)
    document.set("kind", choices.pick(OTHER_KINDS) if choices.seldom(40) else "CredentialProviderConfig")
    names = choices.shuffled(PLUGINS)
    document.set("providers", Sequence([_provider(choices, names.pop(0)) for _ in range(1 + choices.below(3))]))
    if choices.seldom(30):
        instead: tuple[Item, ...] = (Sequence(), Raw("null"), Mapping(), "x", Raw("1"))
        document.set("providers", choices.pick(instead))
    if choices.seldom(5):
        document.pairs = choices.shuffled(document.pairs)
    return document


def _provider(choices: Choices, name: str) -> Mapping:
    provider = Mapping()
    names = OTHER_NAMES if choices.seldom(2) else PLUGINS[:2]  # the latter may be another provider's
    provider.set("name", choices.pick(names) if choices.seldom(25) else name)
    patterns = [
        choices.pick(ODD_PATTERNS) if choices.seldom(30) else choices.pick(PATTERNS)
        for _ in range(1 + choices.below(3))
    ]
    provider.set("matchImages", Sequence([*patterns]))
    provider.set("defaultCacheDuration", _duration(choices))
    other = choices.seldom(40)
    version = choices.pick(OTHER_PROVIDER_VERSIONS) if other else PROVIDER_VERSIONS[choices.below(24) // 22]
    provider.set("apiVersion", version)
    if choices.seldom(3):
        provider.set(
            "args",
            Sequence([choices.pick(("--config=/etc/x.json", "", "-v", "a b", "yes")) for _ in range(choices.below(3))]),
        )
    if choices.seldom(4):
        variable = Mapping([("name", "A"), ("value", choices.pick(("b", "", "5", "yes", "a=b")))])
        provider.set("env", Sequence([variable] * (1 + choices.below(2))))
    if choices.seldom(4):
        provider.set("tokenAttributes", _token_attributes(choices))
    if choices.seldom(5):
        provider.pairs = choices.shuffled(provider.pairs)
    return provider


def _duration(choices: Choices) -> Item:
    if not choices.seldom(8):
        return choices.pick(("5m", "0s", "10m0s", "12h"))
    text = duration(choices)
    return str(json.loads(text)) if text.startswith('"') else Raw(text)


def _token_attributes(choices: Choices) -> Item:
    attributes = Mapping()
    attributes.set("serviceAccountTokenAudience", "" if choices.seldom(20) else "api://AzureADTokenExchange")
    attributes.set(
        "cacheType",
        choices.pick(("", "token", "Pod", "Global"))
        if choices.seldom(12)
        else choices.pick(("Token", "ServiceAccount")),
    )
    attributes.set("requireServiceAccount", Raw(choices.pick(("true", "true", "false"))))
    keys = choices.shuffled(KEYS)
    for name in ("requiredServiceAccountAnnotationKeys", "optionalServiceAccountAnnotationKeys"):
        if choices.seldom(2):
            attributes.set(name, Sequence([_key(choices, keys) for _ in range(choices.below(3))]))
    return attributes


def _key(choices: Choices, fresh: list[str]) -> str:
    if choices.seldom(6):
        return choices.pick(ODD_KEYS)
    return choices.pick(KEYS) if choices.seldom(6) else fresh.pop(0)


def _collections(item: Item) -> list[Mapping | Sequence]:
    """The collection and those in it."""
    if isinstance(item, Mapping):
        return [item, *(each for _, inner in item.pairs for each in _collections(inner))]
    if isinstance(item, Sequence):
        return [item, *(each for inner in item.items for each in _collections(inner))]
    return []


def _spoil(choices: Choices, target: Mapping | Sequence) -> None:
    odd: Item = (
        Raw(choices.pick(RAW))
        if choices.seldom(3)
        else choices.pick(("", "x", "5m", "true", "1", "null", "\n", "a\nb", "é"))
    )
    if isinstance(target, Sequence):
        at = choices.below(len(target.items) + 1)
        target.items[at : at + choices.below(2)] = [odd]
        return
    if not target.pairs:
        target.pairs.append(("added", odd))
        return
    at = choices.below(len(target.pairs))
    name, item = target.pairs[at]
    spelled = name if isinstance(name, str) else name.text
    strokes: tuple[tuple[str | Raw, Item] | None, ...] = (
        (name, odd),
        None,
        (choices.pick((spelled.lower(), spelled.upper(), spelled + "s", spelled[:-1])), item),
        (Raw(choices.pick(RAW)), item),
        (name, Sequence([item])),
        (name, Mapping([("x", item)])),
        (name, Raw("&x " + (item if isinstance(item, str) else "x"))),
    )
    stroke = 1 if choices.seldom(3) else choices.below(len(strokes) + 3)
    if stroke < len(strokes):
        replacement = strokes[stroke]
        target.pairs[at : at + 1] = [] if replacement is None else [replacement]
    else:
        added = ((name, item), (Raw("<<"), Raw("*x")), ("timeout", odd))[stroke - len(strokes)]
        target.pairs.append(added)


def _as_json(choices: Choices, document: Mapping) -> str:
    text = _json(choices, document)
    before = (
        choices.pick((" ", "\n", "\ufeff", "# c\n", "---\n", "\t", "\x0b", "\u00a0", "x")) if choices.seldom(10) else ""
    )
    after = choices.pick(("\n", "{}", "garbage", "\x00", "# c", "\n---\n", " ")) if choices.seldom(10) else ""
    return before + text + after


def _json(choices: Choices, item: Item) -> str:
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{_json(choices, name)}: {_json(choices, each)}" for name, each in item.pairs) + "}"
    if isinstance(item, Sequence):
        return "[" + ", ".join(_json(choices, each) for each in item.items) + "]"
    if isinstance(item, Raw):
        return item.text if item.text in {"true", "false", "null"} else value(choices)
    if choices.seldom(60):
        return value(choices)
    return json.dumps(item, ensure_ascii=choices.seldom(2))


def _encoded(choices: Choices, text: str) -> bytes:
    if choices.seldom(20):
        text = text.replace("\n", choices.pick(("\r\n", "\r", "\u2028", "\x85", "\n\n")))
    if choices.seldom(60):
        return text.encode(choices.pick(("utf-16-le", "utf-16", "utf-16-be", "utf-8-sig", "utf-32")), "replace")
    return text.encode("utf-8", "surrogatepass")


def providers_of(verdict: dict[str, Any]) -> list[str]:
    """Names as the harness reads them off the log, where Go has quoted them."""
    return [json.loads(f'"{name}"') if "\\" in name else name for name in verdict["providers"]]
