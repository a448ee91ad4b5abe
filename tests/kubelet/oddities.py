"""What may be wrong with a configuration: any member of any collection, or one rule of the kubelet's on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.kubelet.yaml_texts import RAW, Item, Mapping, Pair, Raw, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kubelet.choices import Choices

_PLAIN = ("", "x", "5m", "true", "1", "null", "\n", "a\nb", "é")


@dataclass(frozen=True)
class _Member:
    """A pair of a mapping, and what may stand there instead of its value."""

    choices: Choices
    name: str | Raw
    item: Item
    odd: Item

    def misspelt(self) -> str:
        text = self.name if isinstance(self.name, str) else self.name.text
        return self.choices.pick((text.lower(), text.upper(), text + "s", text[:-1]))


#: What may stand instead of a pair.
_STROKES: dict[str, Callable[[_Member], list[Pair]]] = {
    "another value": lambda of: [(of.name, of.odd)],
    "left out": lambda _: [],
    "misspelt": lambda of: [(of.misspelt(), of.item)],
    "another name": lambda of: [(Raw(of.choices.pick(RAW)), of.item)],
    "in a list": lambda of: [(of.name, Sequence([of.item]))],
    "in a mapping": lambda of: [(of.name, Mapping([("x", of.item)]))],
    "anchored": lambda of: [(of.name, Raw("&x " + (of.item if isinstance(of.item, str) else "x")))],
    "twice": lambda of: [(of.name, of.item), (of.name, of.item)],
    "and a merge": lambda of: [(of.name, of.item), (Raw("<<"), Raw("*x"))],
    "and an unknown one": lambda of: [(of.name, of.item), ("timeout", of.odd)],
}


def spoil(choices: Choices, target: Mapping | Sequence) -> None:
    """Make one member of the collection odd, take it out, or put an odd one in."""
    odd = Raw(choices.pick(RAW)) if choices.seldom(3) else choices.pick(_PLAIN)
    if isinstance(target, Sequence):
        at = choices.below(len(target.items) + 1)
        target.items[at : at + choices.below(2)] = [odd]
    elif not target.pairs:
        target.pairs.append(("added", odd))
    else:
        at = choices.below(len(target.pairs))
        stroke = "left out" if choices.seldom(3) else choices.pick(list(_STROKES))
        target.pairs[at : at + 1] = _STROKES[stroke](_Member(choices, *target.pairs[at], odd))


_REQUIRED, _OPTIONAL = "requiredServiceAccountAnnotationKeys", "optionalServiceAccountAnnotationKeys"
#: Fields of a provider, each with values that break a rule; None is no such field.
_MISTAKES: dict[str, tuple[str | list[str] | None, ...]] = {
    "name": (None, "", ".", "..", "a/b", "a b"),
    "matchImages": (None, []),
    "defaultCacheDuration": (None, "-1ns"),
    "apiVersion": (None, ""),
}
#: The same of its tokenAttributes.
_TOKEN_MISTAKES: dict[str, tuple[str | list[str] | None, ...]] = {
    "requireServiceAccount": (None,),
    "cacheType": (None, "token"),
    "serviceAccountTokenAudience": (None, ""),
    _REQUIRED: (["a", "a"], ["a", "b", "a"], ["other", "a"]),
    _OPTIONAL: (["b", "b"], ["b", "a", "b"], ["other", "b"]),
}


def break_rule(choices: Choices, provider: Mapping) -> None:
    """Break one rule of the kubelet's: those that chance alone would seldom break by themselves."""
    broken, mistakes = provider, _MISTAKES
    if choices.seldom(2):
        broken, mistakes = Mapping(), _TOKEN_MISTAKES
        broken.set("serviceAccountTokenAudience", "api://AzureADTokenExchange")
        broken.set("cacheType", "Token")
        broken.set("requireServiceAccount", Raw("true"))
        broken.set(_REQUIRED if choices.seldom(2) else _OPTIONAL, Sequence(["other"]))
        provider.set("tokenAttributes", broken)
    field = choices.pick(list(mistakes))
    value = choices.pick(mistakes[field])
    broken.set(field, Sequence([*value]) if isinstance(value, list) else value)
