"""A configuration starts a kubelet or does not, as the kubelet of that version decides."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from credprovider.kubelet.config import lint_text
from credprovider.kubelet.findings import Severity
from credprovider.kubelet.tree import Place
from credprovider.kubelet.versions import NEWEST, KubeletVersion, parse_version
from tests.unit.kubelet.configs import TOKEN_ATTRIBUTES, document, provider
from tests.unit.kubelet.vectors import each

_DECODE_RULES = {
    "syntax", "type-meta", "kind-missing", "kind-wrong", "config-version", "unknown-field", "duplicate-field",
    "wrong-type", "bad-duration",
}  # fmt: skip


def errors(text: str | bytes, version: str = str(NEWEST), **arguments: Any) -> list[str]:
    report = lint_text(text, kubelet_version=parse_version(version), **arguments)
    return [finding.rule for finding in report.errors]


@each("config")
def test_vector(row: dict[str, Any]) -> None:
    report = lint_text(row["yaml"], token_gate=row["service_account_token_gate"])
    assert report.starts is row["kubelet_starts"]
    refused = [finding for finding in report.errors if not finding.rule.startswith("executable-")]
    assert (not refused) is row["accepted"]
    if row["accepted"]:
        assert [each_.name.text for each_ in report.providers] == row["providers"]
    else:
        stage = "decode" if {finding.rule for finding in refused} & _DECODE_RULES else "validate"
        assert stage == row["stage"]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        pytest.param(
            "{apiVersion: kubelet.config.k8s.io/v1}", ["syntax"], id="flow style at the root is taken for JSON"
        ),
        pytest.param("\u00a0{}", ["syntax"], id="odd space before JSON"),
        pytest.param(document() + "x", ["syntax"], id="text behind JSON"),
        pytest.param("a\tb: [", ["syntax"], id="broken YAML"),
        pytest.param("- a", ["type-meta"], id="a list"),
        pytest.param("text", ["type-meta"], id="a text"),
        pytest.param(document(kind=5), ["type-meta"], id="kind a number"),
        pytest.param(document(apiVersion="a/b/c"), ["type-meta"], id="apiVersion with two slashes"),
        pytest.param("---\n---\n" + document(), ["kind-missing"], id="first document empty"),
        pytest.param("{}", ["kind-missing"], id="empty object"),
        pytest.param(document(kind="KubeletConfiguration"), ["kind-wrong"], id="another kind"),
        pytest.param(document(apiVersion="kubelet.config.k8s.io"), ["config-version"], id="group alone"),
        pytest.param(document(apiVersion=...), ["config-version"], id="no apiVersion"),
        pytest.param(document(kind=..., Kind="CredentialProviderConfig"), ["unknown-field"], id="Kind for kind"),
        pytest.param(document(metadata={}), ["unknown-field"], id="metadata"),
        pytest.param(document(providers={}), ["wrong-type"], id="providers an object"),
        pytest.param(document(providers=None), ["no-providers"], id="providers null"),
        pytest.param(document(providers=[]), ["no-providers"], id="providers empty"),
        pytest.param(document("x"), ["wrong-type"], id="provider a text"),
        pytest.param(
            document(None),
            ["executable-name-empty", "api-version-missing", "match-images-missing", "default-cache-duration-missing"],
            id="provider null",
        ),
        pytest.param(document(provider(name=5)), ["wrong-type"], id="name a number"),
        pytest.param(document(provider(name="a b")), ["name-space"], id="name with a space"),
        pytest.param(document(provider(name="a\tb")), [], id="name with a tab"),
        pytest.param(document(provider(name="a/b")), ["name-slash"], id="name with a slash"),
        pytest.param(document(provider(name="..")), ["name-dot"], id="name dots"),
        pytest.param(document(provider(name=...)), ["executable-name-empty"], id="no name"),
        pytest.param(document(provider(name="a\0b")), ["executable-name-impossible"], id="name with a NUL"),
        pytest.param(document(provider(name="é" * 128)), ["executable-name-impossible"], id="name of 256 bytes"),
        pytest.param(document(provider(name="a" * 255)), [], id="name of 255 bytes"),
        pytest.param(document(provider(), provider()), ["name-duplicate"], id="one name twice"),
        pytest.param(document(provider(matchImages="gcr.io")), ["wrong-type"], id="matchImages a text"),
        pytest.param(document(provider(matchImages=[5])), ["wrong-type"], id="pattern a number"),
        pytest.param(document(provider(matchImages=[])), ["match-images-missing"], id="no patterns"),
        pytest.param(document(provider(matchImages=[None])), [], id="pattern null is an empty one"),
        pytest.param(document(provider(matchImages=["%zz"])), ["match-image-invalid"], id="pattern with a bad escape"),
        pytest.param(document(provider(defaultCacheDuration=0)), ["wrong-type"], id="duration a number"),
        pytest.param(document(provider(defaultCacheDuration="1d")), ["bad-duration"], id="duration in days"),
        pytest.param(
            document(provider(defaultCacheDuration="-1s")), ["default-cache-duration-negative"], id="negative"
        ),
        pytest.param(
            document(provider(defaultCacheDuration=...)), ["default-cache-duration-missing"], id="no duration"
        ),
        pytest.param(document(provider(apiVersion=...)), ["api-version-missing"], id="no provider apiVersion"),
        pytest.param(document(provider(apiVersion="v1")), ["api-version-unsupported"], id="apiVersion without a group"),
        pytest.param(document(provider(args=[True])), ["wrong-type"], id="argument a bool"),
        pytest.param(document(provider(args=None, env=None)), [], id="args and env null"),
        pytest.param(document(provider(env={"A": "b"})), ["wrong-type"], id="env an object"),
        pytest.param(document(provider(env=[{"name": "A", "value": 1}])), ["wrong-type"], id="variable a number"),
        pytest.param(document(provider(env=[{"Name": "A"}])), ["unknown-field"], id="variable with Name"),
        pytest.param(document().replace('"name"', '"name": "q", "name"'), ["duplicate-field"], id="JSON name twice"),
    ],
)
def test_newest_kubelet(text: str, rules: list[str]) -> None:
    assert errors(text) == rules


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, []),
        ({"serviceAccountTokenAudience": ""}, ["audience-missing"]),
        ({"requireServiceAccount": None}, ["require-service-account-missing"]),
        ({"requireServiceAccount": "true"}, ["wrong-type"]),
        ({"cacheType": None}, ["cache-type-missing"]),
        ({"cacheType": "token"}, ["cache-type-unsupported"]),
        ({"requiredServiceAccountAnnotationKeys": ["a.b/C", "x"]}, []),
        (
            {"requireServiceAccount": False, "requiredServiceAccountAnnotationKeys": ["a"]},
            ["required-annotations-without-service-account"],
        ),
        ({"optionalServiceAccountAnnotationKeys": ["a", "a"]}, ["annotation-key-duplicate"]),
        ({"optionalServiceAccountAnnotationKeys": ["a", "A"]}, []),
        (
            {"requiredServiceAccountAnnotationKeys": ["a"], "optionalServiceAccountAnnotationKeys": ["a"]},
            ["annotation-key-both"],
        ),
        ({"audience": "x"}, ["unknown-field"]),
    ],
)
def test_token_attributes(changes: dict[str, Any], rules: list[str]) -> None:
    assert errors(document(provider(tokenAttributes=TOKEN_ATTRIBUTES | changes))) == rules


@pytest.mark.parametrize(
    "key",
    ["", "/x", "a/", "a/b/c", "a b", "-a", "a-", "_a", "é", "a" * 64, "-a.b/x", "a..b/x", "a_b/x", "x" * 254 + "/a"],
)
def test_annotation_key_that_is_no_qualified_name(key: str) -> None:
    attributes = TOKEN_ATTRIBUTES | {"optionalServiceAccountAnnotationKeys": [key]}
    assert errors(document(provider(tokenAttributes=attributes))) == ["annotation-key-invalid"]


@pytest.mark.parametrize("key", ["a", "A.B/C_d.E", "a" * 63, "x" * 253 + "/a", "\u0130", "\u212a.b/c"])
def test_annotation_key_that_is_a_qualified_name(key: str) -> None:
    attributes = TOKEN_ATTRIBUTES | {"optionalServiceAccountAnnotationKeys": [key]}
    assert errors(document(provider(tokenAttributes=attributes))) == []


_WITH_TOKENS = document(provider(tokenAttributes=TOKEN_ATTRIBUTES))
_WITHOUT_CACHE_TYPE = document(
    provider(tokenAttributes={name: value for name, value in TOKEN_ATTRIBUTES.items() if name != "cacheType"})
)


@pytest.mark.parametrize(
    ("text", "version", "rules"),
    [
        pytest.param(document(provider(timeout="1s")), "1.31", [], id="unknown field, 1.31"),
        pytest.param(document(provider(timeout="1s")), "1.32", ["unknown-field"], id="unknown field, 1.32"),
        pytest.param("kind: x\n" + yaml.safe_dump(yaml.safe_load(document())), "1.31", [], id="duplicate, 1.31"),
        pytest.param(
            "kind: x\n" + yaml.safe_dump(yaml.safe_load(document())), "1.32", ["duplicate-field"], id="duplicate, 1.32"
        ),
        pytest.param(document(provider(name="")), "1.29", [], id="no name, 1.29"),
        pytest.param(document(provider(name="")), "1.30", ["executable-name-empty"], id="no name, 1.30"),
        pytest.param(_WITH_TOKENS, "1.31", [], id="tokenAttributes, 1.31: ignored"),
        pytest.param(_WITH_TOKENS, "1.32", ["unknown-field"], id="tokenAttributes, 1.32"),
        pytest.param(_WITH_TOKENS, "1.33", ["token-attributes-gate", "unknown-field"], id="cacheType, 1.33"),
        pytest.param(_WITHOUT_CACHE_TYPE, "1.33", ["token-attributes-gate"], id="tokenAttributes, 1.33"),
        pytest.param(_WITHOUT_CACHE_TYPE, "1.34", ["cache-type-missing"], id="no cacheType, 1.34"),
        pytest.param(_WITH_TOKENS, "1.34", [], id="tokenAttributes, 1.34"),
        pytest.param(document(provider(matchImages=["a:b:1"])), "1.35", [], id="two colons, 1.35"),
        pytest.param(document(provider(matchImages=["a:b:1"])), "1.36", ["match-image-invalid"], id="two colons, 1.36"),
        pytest.param(document(provider(), provider()), "1.31", ["name-duplicate"], id="one name twice, 1.31"),
    ],
)
def test_kubelet_of_a_version(text: str, version: str, rules: list[str]) -> None:
    assert sorted(errors(text, version)) == rules


def test_gate_decides_about_token_attributes() -> None:
    assert errors(_WITHOUT_CACHE_TYPE, "1.33", token_gate=True) == []
    assert errors(_WITH_TOKENS, "1.37", token_gate=False) == ["token-attributes-gate"]


@pytest.mark.parametrize("version", ["kubelet.config.k8s.io/v1beta1", "kubelet.config.k8s.io/v1alpha1"])
def test_older_config_versions_know_no_token_attributes(version: str) -> None:
    assert errors(document(apiVersion=version)) == []
    assert errors(document(provider(tokenAttributes={}), apiVersion=version)) == ["unknown-field"]


def test_internal_version_is_read_with_its_own_spelling() -> None:
    inner = {
        "Name": "p",
        "MatchImages": ["a.dev"],
        "DefaultCacheDuration": "0s",
        "APIVersion": provider()["apiVersion"],
    }
    report = lint_text(document(apiVersion="kubelet.config.k8s.io/__internal", providers=..., Providers=[inner]))
    assert report.starts
    assert [finding.rule for finding in report.findings] == ["config-version-internal"]
    assert errors(document(apiVersion="kubelet.config.k8s.io/__internal")) == ["unknown-field"]


_TROUBLED = """\
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: p
  matchimages: ["*.pkg.dev"]
  matchImages:
  - https://us-docker.pkg.dev
  defaultCacheDuration: 0
  apiVersion: credentialprovider.kubelet.k8s.io/v1
  args: [--verbose, yes]
"""


def test_findings_come_in_order_with_place_field_and_advice() -> None:
    report = lint_text(_TROUBLED, file="c.yaml")
    assert [(finding.rule, finding.place, finding.path) for finding in report.findings] == [
        ("unknown-field", Place(5, 3), "providers[0].matchimages"),
        ("pattern-scheme", Place(7, 5), "providers[0].matchImages[0]"),
        ("wrong-type", Place(8, 25), "providers[0].defaultCacheDuration"),
        ("wrong-type", Place(10, 21), "providers[0].args[1]"),
    ]
    assert [finding.suggestion for finding in report.findings] == [
        "names count in exact case: matchImages",
        "write 'us-docker.pkg.dev'",
        'write a text with a unit, e.g. "0s" or "10m"',
        "put the value into quotes; YAML reads numbers, yes, no, on and off as something else than text",
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("providers:\n- matchImages: [*-docker.pkg.dev]", "into quotes"),
        ("- *pkg", "into quotes"),
        ("{a: b}", "never as YAML"),
        (document(provider(tokenAttribute={})), "do you mean tokenAttributes?"),
        (document(provider(tokenAttributes={}), apiVersion="kubelet.config.k8s.io/v1beta1"), "v1 only"),
    ],
)
def test_advice_fits(text: str, advice: str) -> None:
    assert advice in " ".join(finding.suggestion for finding in lint_text(text).errors)


def test_lenient_kubelet_warns_of_what_its_successor_refuses() -> None:
    report = lint_text(document(provider(timeout="1s")), kubelet_version=KubeletVersion(1, 31))
    finding = report.findings[0]
    assert (finding.severity, finding.rule, finding.kubelet_versions) == (
        Severity.WARNING,
        "unknown-field",
        "up to 1.31",
    )
    strict = lint_text(document(provider(timeout="1s"))).findings[0]
    assert strict.kubelet_versions == "1.32 and newer"


def test_newer_kubelet_is_judged_as_the_newest_known_with_a_warning() -> None:
    report = lint_text(document(), kubelet_version=KubeletVersion(NEWEST.major, NEWEST.minor + 1))
    assert report.starts
    assert [finding.rule for finding in report.findings] == ["kubelet-version-unknown"]


@pytest.mark.parametrize("text", ["", "1", "1.28", "1.34x", "v", "0.99", "latest"])
def test_version_that_cannot_be_judged(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.(34|29)"):
        parse_version(text)


@pytest.mark.parametrize("text", ["1.34", "v1.34", "1.34.4", "v1.34.4-aks.1", "1.34+"])
def test_version_is_its_minor(text: str) -> None:
    assert parse_version(text) == KubeletVersion(1, 34)


def test_report_as_json_names_everything() -> None:
    report = lint_text(_TROUBLED, file="c.yaml").to_json()
    assert report["kubeletVersion"] == str(NEWEST)
    assert report["kubeletStarts"] is False
    assert report["executablesJudged"] is False
    assert report["providers"] == ["p"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", report["configHash"])
    assert report["findings"][0] == {
        "severity": "error",
        "rule": "unknown-field",
        "message": "unknown field 'providers[0].matchimages': known here: apiVersion, args, defaultCacheDuration, env,"
        " matchImages, name, tokenAttributes",
        "file": "c.yaml",
        "line": 5,
        "column": 3,
        "field": "providers[0].matchimages",
        "kubeletVersions": "1.32 and newer",
        "suggestion": "names count in exact case: matchImages",
    }


def test_report_as_text_is_printable_line_by_line() -> None:
    text = lint_text(document(provider(name="a\x1b[31m b", matchImages=["\x1b]0;x\x07"])), file="c\x1b.yaml").text()
    assert all(line.isprintable() for line in text.splitlines())
    assert text.startswith("c?.yaml:1:")


def test_hash_is_the_one_of_the_kubelets_metric() -> None:
    expected = "sha256:af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    assert lint_text(b"").config_hash == expected
