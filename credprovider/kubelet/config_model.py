"""A CredentialProviderConfig as types with places: what the kubelet decodes, and every field that does not fit; pure.

Sources: k8s.io/kubelet ``config/{v1,v1beta1,v1alpha1}/types.go`` and the internal types; the codec is `Decoder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from credprovider.kubelet.tree import Kind, Member, Node, Place
from credprovider.kubelet.versions import CACHE_TYPE, TOKEN_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from credprovider.kubelet.codec import Decoder
    from credprovider.kubelet.versions import KubeletVersion

GROUP = "kubelet.config.k8s.io"
KIND = "CredentialProviderConfig"
V1 = f"{GROUP}/v1"

#: The kubelet's codec takes its internal types from a file, too, with Go's spelling of the fields.
INTERNAL = f"{GROUP}/__internal"
CONFIG_VERSIONS = (V1, f"{GROUP}/v1beta1", f"{GROUP}/v1alpha1", INTERNAL)

_META = frozenset({"kind", "apiVersion"})
_PROVIDER = frozenset({"name", "matchImages", "defaultCacheDuration", "apiVersion", "args", "env"})
_TOKEN = frozenset(
    {
        "serviceAccountTokenAudience",
        "requireServiceAccount",
        "requiredServiceAccountAnnotationKeys",
        "optionalServiceAccountAnnotationKeys",
    }
)


@dataclass(frozen=True)
class Text:
    """A string of the document; the place is that of the object it is missing from if it is not there."""

    text: str
    place: Place
    path: str


@dataclass(frozen=True)
class TokenAttributes:
    """A provider's tokenAttributes (KEP-4412)."""

    place: Place
    path: str
    audience: Text
    cache_type: Text
    require_service_account: bool | None
    required_keys: tuple[Text, ...]
    optional_keys: tuple[Text, ...]


@dataclass(frozen=True)
class Provider:
    """One entry of ``providers``.

    Attributes:
        cache_duration: defaultCacheDuration in nanoseconds, None if absent.
        cache_duration_place: the entry's own if it is absent.
        env: pairs of name and value.
    """

    file: str
    place: Place
    path: str
    name: Text
    api_version: Text
    match_images: tuple[Text, ...]
    cache_duration: int | None
    cache_duration_place: Place
    args: tuple[Text, ...]
    env: tuple[tuple[Text, Text], ...]
    token_attributes: TokenAttributes | None


class ConfigDecoder:
    """Decodes one document; the problems gather in the `Decoder` it is given."""

    def __init__(self, decoder: Decoder, file: str, config_version: str, kubelet: KubeletVersion) -> None:
        self._decoder = decoder
        self._file = file
        self._internal = config_version == INTERNAL
        self._has_token_attributes = config_version in {V1, INTERNAL} and kubelet >= TOKEN_ATTRIBUTES
        self._has_cache_type = kubelet >= CACHE_TYPE

    def providers(self, document: Node) -> list[Provider]:
        """All entries of ``providers``."""
        fields = self._decoder.struct(document, _META | {self._spell("providers")}, "")
        for name in sorted(_META):
            self._decoder.text(_value(fields, name), name)
        path = self._spell("providers")
        items = self._decoder.items(_value(fields, path), path)
        return [self._provider(item, f"{path}[{index}]") for index, item in enumerate(items)]

    def _provider(self, node: Node, path: str) -> Provider:
        known = _PROVIDER | {"tokenAttributes"} if self._has_token_attributes else _PROVIDER
        fields = self._struct(node, known, path)
        duration = _value(fields, "defaultCacheDuration")
        return Provider(
            file=self._file,
            place=node.place,
            path=path,
            name=self._text(fields, "name", node, path),
            api_version=self._text(fields, "apiVersion", node, path),
            match_images=tuple(self._texts(fields, "matchImages", path)),
            cache_duration=self._decoder.duration(duration, f"{path}.{self._spell('defaultCacheDuration')}"),
            cache_duration_place=duration.place if duration else node.place,
            args=tuple(self._texts(fields, "args", path)),
            env=tuple(self._variables(fields, path)),
            token_attributes=self._token_attributes(_value(fields, "tokenAttributes"), path),
        )

    def _variables(self, fields: dict[str, Member], path: str) -> Iterator[tuple[Text, Text]]:
        path = f"{path}.{self._spell('env')}"
        for index, node in enumerate(self._decoder.items(_value(fields, "env"), path)):
            here = f"{path}[{index}]"
            variable = self._struct(node, frozenset({"name", "value"}), here)
            yield self._text(variable, "name", node, here), self._text(variable, "value", node, here)

    def _token_attributes(self, node: Node | None, path: str) -> TokenAttributes | None:
        if node is None or node.kind is Kind.NULL:
            return None
        path = f"{path}.{self._spell('tokenAttributes')}"
        fields = self._struct(node, _TOKEN | {"cacheType"} if self._has_cache_type else _TOKEN, path)
        require = "requireServiceAccount"
        return TokenAttributes(
            place=node.place,
            path=path,
            audience=self._text(fields, "serviceAccountTokenAudience", node, path),
            cache_type=self._text(fields, "cacheType", node, path),
            require_service_account=self._decoder.flag(_value(fields, require), f"{path}.{self._spell(require)}"),
            required_keys=tuple(self._texts(fields, "requiredServiceAccountAnnotationKeys", path)),
            optional_keys=tuple(self._texts(fields, "optionalServiceAccountAnnotationKeys", path)),
        )

    def _struct(self, node: Node, fields: frozenset[str], path: str) -> dict[str, Member]:
        """Known fields under their usual names."""
        spelled = {self._spell(name): name for name in fields}
        return {spelled[name]: member for name, member in self._decoder.struct(node, spelled, path).items()}

    def _spell(self, name: str) -> str:
        """A field's name in this config version."""
        if not self._internal:
            return name
        return "APIVersion" if name == "apiVersion" else name[0].upper() + name[1:]

    def _text(self, fields: dict[str, Member], name: str, owner: Node, path: str) -> Text:
        node = _value(fields, name)
        path = f"{path}.{self._spell(name)}"
        return Text(self._decoder.text(node, path), node.place if node else owner.place, path)

    def _texts(self, fields: dict[str, Member], name: str, path: str) -> Iterator[Text]:
        path = f"{path}.{self._spell(name)}"
        for index, node in enumerate(self._decoder.items(_value(fields, name), path)):
            here = f"{path}[{index}]"
            yield Text(self._decoder.text(node, here), node.place, here)


def _value(fields: dict[str, Member], name: str) -> Node | None:
    member = fields.get(name)
    return None if member is None else member.value
