"""What `setup` has to know: the table of questions, and answers from flags, file or person, checked alike."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credprovider.setup.forms import check
from credprovider.setup.modes import MODES, recommended_trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: Answers by name: a text, or for a list several.
    Answers = dict[str, Any]
    #: Other answers by name, each with the words that fulfil the condition.
    Condition = tuple[tuple[str, tuple[str | None, ...]], ...]


@dataclass(frozen=True)
class Input:
    """One line of the table.

    Attributes:
        name: as in a values file, camelCase.
        question: for a person, and for `--help`.
        kind: of `credprovider.setup.forms.FORMS`.
        choices: the words to choose from; empty when any text of that kind will do.
        several: may there be more than one?
        default: with ``{name}`` for another answer; None without one.
        optional: may it stay unanswered?
        optional_when: other answer -> the words with which it may, where it may not always.
        advanced: is it a flag only, as long as there is a default?
        when: other answer -> the words with which this one has a meaning (``*`` for any, None for no answer).
        narrowed: other answer -> its word -> the choices that are left.
        hint: where to find the answer.
    """

    name: str
    question: str
    kind: str = "free"
    choices: tuple[str, ...] = ()
    several: bool = False
    default: str | None = None
    optional: bool = False
    advanced: bool = False
    when: Condition = ()
    optional_when: Condition = ()
    narrowed: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    hint: str = ""

    @property
    def flag(self) -> str:
        """``resourceGroup`` -> ``--resource-group``."""
        return "--" + "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name)

    def applies(self, answers: Mapping[str, Any]) -> bool:
        """Has the question a meaning beside these answers?"""
        return not self.unfulfilled(answers)

    def unfulfilled(self, answers: Mapping[str, Any]) -> list[tuple[str, tuple[str | None, ...]]]:
        """The conditions that take its meaning away."""
        return [(name, words) for name, words in self.when if not _is_among(answers.get(name), words)]

    def may_stay_open(self, answers: Mapping[str, Any]) -> bool:
        """May it stay unanswered beside these answers?"""
        return self.optional or bool(
            self.optional_when and all(_is_among(answers.get(name), words) for name, words in self.optional_when)
        )

    def options(self, answers: Mapping[str, Any]) -> tuple[str, ...]:
        """The choices beside these answers."""
        for name, words in self.narrowed.items():
            if answers.get(name) in words:
                return tuple(words[answers[name]])
        return self.choices

    def default_for(self, answers: Mapping[str, Any]) -> str | None:
        """The default beside these answers."""
        options = self.options(answers)
        if len(options) == 1:
            return options[0]
        if self.name == "trust":
            return recommended_trust(answers)[0]
        if self.name == "entraAudience":
            return _published_audience(answers)
        try:
            return self.default and self.default.format_map(answers)
        except KeyError:  # it is made of an answer that is missing, which is told there
            return None

    def read(self, answer: object) -> Any:
        """An answer in its one form.

        Args:
            answer: a text, or where there may be several a list of texts or one text with commas.

        Raises:
            ValueError: with what it should be, never with what it is.
        """
        if not self.several:
            return self._read_one(answer)
        parts = answer.split(",") if isinstance(answer, str) else answer
        if not isinstance(parts, list) or not parts:
            raise ValueError("must be a list that is not empty")
        found = [self._read_one(part.strip() if isinstance(part, str) else part) for part in parts]
        if len(set(found)) != len(found):
            raise ValueError("names something twice")
        return found

    def _read_one(self, answer: object) -> str:
        if not isinstance(answer, str):
            raise ValueError("must be a text; in YAML put it in quotes")
        if self.choices and answer not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        return check(self.kind, answer)


def _is_among(answer: object, words: tuple[str | None, ...]) -> bool:
    return answer in words or ("*" in words and answer is not None)


#: `aud` of the tokens for the token exchange resource (facts of the public cloud; the others' are not published).
_PUBLISHED = "fb60f99c-7a34-4190-8149-302f77469936"


def _published_audience(answers: Mapping[str, Any]) -> str | None:
    """What `aud` is known to be: the exchange's GUID, or a v1 token's App ID URI."""
    resource = answers.get("entraResource")
    if resource is not None:
        return resource if answers.get("entraTokenVersion") == "1" else None
    return _PUBLISHED if answers.get("cloud") == "public" else None


_SPECIAL = {"list", "choices", "when", "optionalWhen"}


def _condition(row: Mapping[str, list[str | None]]) -> Condition:
    return tuple((name, tuple(words)) for name, words in row.items())


def _load() -> tuple[Input, ...]:
    table: list[dict[str, Any]] = json.loads((Path(__file__).parent / "inputs.json").read_text("utf-8"))
    return tuple(
        Input(
            **{name: value for name, value in row.items() if name not in _SPECIAL},
            several=row.get("list", False),
            choices=tuple(row.get("choices", ())),
            when=_condition(row.get("when", {})),
            optional_when=_condition(row.get("optionalWhen", {})),
        )
        for row in table
    )


INPUTS = _load()


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer."""

    name: str
    reason: str

    def line(self) -> str:
        """For a list."""
        flag = next((entry.flag for entry in INPUTS if entry.name == self.name), "")
        return f"{self.name} ({flag}) {self.reason}" if flag else f"{self.name} {self.reason}"


def read_given(given: Mapping[str, object]) -> tuple[Answers, list[Fault]]:
    """Answers that were given, each in its one form, and what is wrong with the others."""
    known = {entry.name: entry for entry in INPUTS}
    answers: Answers = {}
    faults: list[Fault] = []
    for name, value in given.items():
        if name not in known:
            faults.append(Fault(name, "is not known"))
            continue
        try:
            answers[name] = known[name].read(value)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    return answers, faults


def take_from_mode(answers: Answers) -> list[Fault]:
    """Where a mode is named, fill in the answers that follow from it; those that contradict it are faults."""
    mode = MODES.get(answers.get("mode", ""))
    if mode is None:
        return []
    faults = []
    for name, word in mode.implies.items():
        if answers.setdefault(name, word) != word:
            faults.append(Fault(name, f"contradicts mode {mode.name}, which means {word}"))
    return faults


def settle(answers: Answers) -> tuple[Answers, list[Fault]]:
    """Put the answers into the table's order with defaults filled in; faults name what is missing or meaningless."""
    settled: Answers = {}
    faults: list[Fault] = []
    for entry in INPUTS:
        given = answers.get(entry.name)
        if not entry.applies(settled):
            if given is not None:
                faults.append(Fault(entry.name, f"has no meaning {_without_meaning(entry, answers, settled)}"))
            continue
        options = entry.options(settled)
        if given is not None and options and given not in options:
            faults.append(Fault(entry.name, f"must be {' or '.join(options)} with the other answers"))
            continue
        value = given if given is not None else entry.default_for(settled)
        if value is None and not entry.may_stay_open(settled) and entry.default is None:
            hint = f"; {entry.hint}" if entry.hint else ""
            faults.append(Fault(entry.name, f"is missing: {entry.question}{hint}"))
        if value is not None:
            settled[entry.name] = value
    return settled, faults


def _without_meaning(entry: Input, answers: Answers, settled: Answers) -> str:
    """Which answer takes the meaning of another away, as it was given, and what to answer instead."""
    (name, words), *_ = entry.unfulfilled(settled)
    answer, mode = settled.get(name), MODES.get(answers.get("mode", ""))
    if mode is not None and name in mode.implies:
        why = f"with mode {mode.name}"
    elif answer is not None:
        why = f"with {name} {answer}" if any(each.name == name and each.choices for each in INPUTS) else f"with {name}"
    else:
        why = f"without {name}" if "*" in words else f"without {name} {' or '.join(map(str, words))}"
    instead = [
        each.flag
        for each in INPUTS
        if each.applies(settled) and any(other == name and _is_among(answer, wanted) for other, wanted in each.when)
    ]
    return f"{why}; use {' or '.join(instead)}" if instead and answer is not None else why
