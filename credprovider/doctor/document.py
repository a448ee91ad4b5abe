"""The results as JSON for machines, and the schema that they follow; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider import __version__
from credprovider.doctor.hops import HOPS
from credprovider.doctor.remedy import commands_of, unknown_in
from credprovider.doctor.result import Status, exit_code
from credprovider.errors import EXIT_CODES, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from credprovider.doctor.result import Result
    from credprovider.errors import ProviderError

#: Raised by a change after which an old reader would be wrong.
FORMAT = 1


def document(
    results: list[Result], *, image: str | None, reference: str, config: str, kubelet: str | None
) -> dict[str, Any]:
    """Everything that was found.

    Args:
        results: of all hops, in order.
        image: repository name, if one was given.
        reference: its tag or digest.
        config: path of config.json.
        kubelet: version of the kubelet that runs here; None where none does.
    """
    failing = [result.hop for result in results if result.error is not None]
    return {
        "format": FORMAT,
        "version": __version__,
        "image": image,
        "reference": reference if image is not None else None,
        "config": one_line(config),
        "kubelet": kubelet,
        "ok": not failing,
        "complete": all(result.status is not Status.NOT_REACHED for result in results) and not failing,
        "exitCode": exit_code(results),
        "firstFailure": failing[0] if failing else None,
        "hops": [_hop(result) for result in results],
    }


def _hop(result: Result) -> dict[str, Any]:
    outcome = result.outcome
    return {
        "hop": result.hop,
        "status": outcome.status.value,
        "summary": one_line(outcome.summary),
        "because": result.because,
        "seconds": round(result.seconds, 3),
        "facts": _texts(dict((*outcome.facts, *outcome.details))),
        "warnings": [one_line(warning) for warning in outcome.warnings],
        "error": _error(outcome.error) if outcome.error is not None else None,
        "hint": _remedy(outcome.remedy) if outcome.remedy else None,
    }


def _error(error: ProviderError) -> dict[str, Any]:
    return {
        "code": error.code,
        "family": error.family,
        "hop": error.hop,
        "cause": one_line(error.cause),
        "httpStatus": error.status,
        "serviceError": error.service_error,
        "claims": _texts(error.claims),
        "trace": _texts(error.trace),
        "remedy": _remedy(error.remedy),
    }


def _remedy(text: str) -> dict[str, Any]:
    return {"text": one_line(text), "commands": commands_of(one_line(text)), "unknown": unknown_in(text)}


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {name: one_line(value) for name, value in values.items()}


_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": _TEXT}


def _object(properties: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _one_of(values: Iterable[str], description: str) -> dict[str, Any]:
    return {"enum": list(values), "description": description}


def _said(text: str, kind: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**(kind or _TEXT), "description": text}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `document`."""
    remedy = _object(
        {
            "text": _said("What mends it; commands stand between backticks."),
            "commands": _said("Those commands.", {"type": "array", "items": _TEXT}),
            "unknown": _said("Words in capitals that the commands still hold, with their meaning.", _TEXTS),
        },
        "What to do.",
    )
    error = _object(
        {
            "code": _said("Stable name, kebab-case; the error catalogue has most of them."),
            "family": _one_of(EXIT_CODES, "Decides about the exit code."),
            "hop": _said("Service or place that the error is of."),
            "cause": _said("One or two sentences."),
            "httpStatus": _said("Status that the service answered with.", {"type": ["integer", "null"]}),
            "serviceError": _said("The service's own short code.", _TEXT_OR_NULL),
            "claims": _said("Unverified claims of the token that was sent.", _TEXTS),
            "trace": _said("Ids that the service's support asks for.", _TEXTS),
            "remedy": _said("What mends it.", {"$ref": "#/$defs/remedy"}),
        },
        "Why a hop failed.",
    )
    hop = _object(
        {
            "hop": _one_of([each.name for each in HOPS], "Stable name."),
            "status": _one_of([each.value for each in Status], "How it ended."),
            "summary": _said("For people; the error's code where it failed."),
            "because": _said("The hop that kept this one from being reached.", _TEXT_OR_NULL),
            "seconds": _said("That it took.", {"type": "number", "minimum": 0}),
            "facts": _said("What was found, by names for people; never a token.", _TEXTS),
            "warnings": _said("What works and may surprise.", {"type": "array", "items": _TEXT}),
            "error": _said("Why it failed.", {"anyOf": [{"$ref": "#/$defs/error"}, {"type": "null"}]}),
            "hint": _said("What makes it possible.", {"anyOf": [{"$ref": "#/$defs/remedy"}, {"type": "null"}]}),
        },
        "One hop.",
    )
    whole = _object(
        {
            "format": _said("Raised by a change after which an old reader would be wrong.", {"const": FORMAT}),
            "version": _said("Of the program."),
            "image": _said("Repository name that was asked about.", _TEXT_OR_NULL),
            "reference": _said("Its tag or digest.", _TEXT_OR_NULL),
            "config": _said("The config.json that was examined."),
            "kubelet": _said("Version of the kubelet here; null where none runs.", _TEXT_OR_NULL),
            "ok": _said("Did no hop fail?", {"type": "boolean"}),
            "complete": _said("Did none fail, and was none left unreached?", {"type": "boolean"}),
            "exitCode": _one_of([], "Of the process: the first failing hop's family, 0 without one."),
            "firstFailure": _said("The first failing hop.", _TEXT_OR_NULL),
            "hops": _said("In order.", {"type": "array", "items": {"$ref": "#/$defs/hop"}, "minItems": len(HOPS)}),
        },
        "What `azure-gar-credential-provider doctor --format json` prints.",
    )
    whole["properties"]["exitCode"]["enum"] = [0, *EXIT_CODES.values()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "$defs": {"hop": hop, "error": error, "remedy": remedy},
    }
