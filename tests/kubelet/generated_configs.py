"""Generated CredentialProviderConfigs: mostly good, with oddities in meaning, in YAML or JSON style, and in bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.kubelet import config_words as words
from tests.kubelet.damage import damaged
from tests.kubelet.durations import duration
from tests.kubelet.json_texts import value
from tests.kubelet.oddities import break_rule, spoil
from tests.kubelet.trees import ConfigCase, executables
from tests.kubelet.yaml_texts import Item, Mapping, Raw, Sequence, yaml_of

if TYPE_CHECKING:
    from tests.kubelet.choices import Choices


def generated_config(choices: Choices) -> ConfigCase:
    """A case: one file, and all executables that it may name."""
    one_mistake = choices.seldom(4)
    content = config_text(choices, choices.shuffled(words.PLUGINS), sound=one_mistake, one_mistake=one_mistake)
    return ConfigCase(content, executables(*words.PLUGINS), {words.GATE: not choices.seldom(12)})


def config_text(choices: Choices, names: list[str], *, sound: bool, one_mistake: bool = False) -> bytes:
    """A file.

    Args:
        names: for providers; those that are taken are taken out.
        sound: without oddities, save those that any sound text may have.
        one_mistake: one rule of the kubelet's is broken on purpose.
    """
    document = _document(choices, names, sound=sound, one_mistake=one_mistake)
    if not sound:
        for _ in range(max(0, choices.below(6) - 3)):
            spoil(choices, choices.pick(_collections(document)))
    is_json = choices.seldom(4)
    text = _json(choices, document, sound=sound) if is_json else yaml_of(choices, document)
    if sound:
        return text.encode()
    if choices.seldom(25):
        text = choices.pick(words.BEFORE_JSON if is_json else words.BEFORE) + text
    if choices.seldom(25):
        text += choices.pick(words.AFTER_JSON if is_json else words.AFTER)
    data = _encoded(choices, text)
    return damaged(choices, data) if choices.seldom(12) else data


def _document(choices: Choices, names: list[str], *, sound: bool, one_mistake: bool) -> Mapping:
    document = Mapping()
    odd_version, odd_kind = choices.seldom(40) and not sound, choices.seldom(40) and not sound
    version = words.CONFIG_VERSIONS[max(0, choices.below(24) - 21)]
    document.set("apiVersion", choices.pick(words.OTHER_VERSIONS) if odd_version else version)
    document.set("kind", choices.pick(words.OTHER_KINDS) if odd_kind else "CredentialProviderConfig")
    providers = [_provider(choices, names.pop(0), sound=sound) for _ in range(1 + choices.below(3))]
    if one_mistake and choices.seldom(12):
        providers.append(choices.pick(providers))
    elif one_mistake:
        break_rule(choices, choices.pick(providers))
    document.set("providers", Sequence([*providers]))
    if choices.seldom(30) and not sound:
        instead: tuple[Item, ...] = (Sequence(), Raw("null"), Mapping(), "x", Raw("1"))
        document.set("providers", choices.pick(instead))
    if choices.seldom(5):
        document.pairs = choices.shuffled(document.pairs)
    return document


def _provider(choices: Choices, name: str, *, sound: bool) -> Mapping:
    provider = Mapping()
    provider.set("name", choices.pick(words.OTHER_NAMES) if choices.seldom(50) and not sound else name)
    patterns = [_pattern(choices, sound=sound) for _ in range(1 + choices.below(3))]
    provider.set("matchImages", Sequence([*patterns]))
    provider.set("defaultCacheDuration", _duration(choices, sound=sound))
    other = choices.seldom(40) and not sound
    version = words.PROVIDER_VERSIONS[choices.below(24) // 22]
    provider.set("apiVersion", choices.pick(words.OTHER_PROVIDER_VERSIONS) if other else version)
    if choices.seldom(3):
        arguments = ("--config=/etc/x.json", "", "-v", "a b", "yes")
        provider.set("args", Sequence([choices.pick(arguments) for _ in range(choices.below(3))]))
    if choices.seldom(4):
        variable = Mapping([("name", "A"), ("value", choices.pick(("b", "", "5", "yes", "a=b")))])
        provider.set("env", Sequence([variable] * (1 + choices.below(2))))
    if choices.seldom(4) and not sound:
        provider.set("tokenAttributes", _token_attributes(choices))
    if choices.seldom(5):
        provider.pairs = choices.shuffled(provider.pairs)
    return provider


def _pattern(choices: Choices, *, sound: bool) -> str:
    return choices.pick(words.ODD_PATTERNS) if choices.seldom(30) and not sound else choices.pick(words.PATTERNS)


def _duration(choices: Choices, *, sound: bool) -> Item:
    if sound or not choices.seldom(8):
        return choices.pick(("5m", "0s", "10m0s", "12h"))
    text = duration(choices)
    return str(json.loads(text)) if text.startswith('"') else Raw(text)


def _token_attributes(choices: Choices) -> Item:
    attributes = Mapping()
    attributes.set("serviceAccountTokenAudience", "" if choices.seldom(20) else "api://AzureADTokenExchange")
    cache_types = ("", "token", "Pod", "Global") if choices.seldom(12) else ("Token", "ServiceAccount")
    attributes.set("cacheType", choices.pick(cache_types))
    attributes.set("requireServiceAccount", Raw(choices.pick(("true", "true", "false"))))
    keys = choices.shuffled(words.KEYS)
    for name in ("requiredServiceAccountAnnotationKeys", "optionalServiceAccountAnnotationKeys"):
        if choices.seldom(2):
            attributes.set(name, Sequence([_key(choices, keys) for _ in range(choices.below(3))]))
    return attributes


def _key(choices: Choices, fresh: list[str]) -> str:
    if choices.seldom(6):
        return choices.pick(words.ODD_KEYS)
    return choices.pick(words.KEYS) if choices.seldom(6) else fresh.pop(0)


def _collections(item: Item) -> list[Mapping | Sequence]:
    """The collection and those in it."""
    if isinstance(item, Mapping):
        return [item, *(each for _, inner in item.pairs for each in _collections(inner))]
    if isinstance(item, Sequence):
        return [item, *(each for inner in item.items for each in _collections(inner))]
    return []


def _json(choices: Choices, item: Item, *, sound: bool) -> str:
    if isinstance(item, Mapping):
        pairs = ((_json(choices, name, sound=sound), _json(choices, each, sound=sound)) for name, each in item.pairs)
        return "{" + ", ".join(f"{name}: {each}" for name, each in pairs) + "}"
    if isinstance(item, Sequence):
        return "[" + ", ".join(_json(choices, each, sound=sound) for each in item.items) + "]"
    if isinstance(item, Raw):
        return item.text if item.text in {"true", "false", "null"} else value(choices)
    if choices.seldom(60) and not sound:
        return value(choices)
    return json.dumps(item, ensure_ascii=choices.seldom(2))


def _encoded(choices: Choices, text: str) -> bytes:
    if choices.seldom(20):
        text = text.replace("\n", choices.pick(("\r\n", "\r", "\u2028", "\x85", "\n\n")))
    if choices.seldom(60):
        return text.encode(choices.pick(("utf-16-le", "utf-16", "utf-16-be", "utf-8-sig", "utf-32")), "replace")
    return text.encode("utf-8", "surrogatepass")
