r"""A judge's text as one word: which of the offered options its verdict line names, or none.

The line is ``LABEL: WORD``, bold, quoted or boxed as models like to write it, at the start of a
line, with perhaps an explanation behind it in brackets or after a comma. Nothing else is read: no
bare "Yes", no summary in prose, no rating, nothing from inside ``<think>``. A misread verdict costs
more than a lost vote, so everything doubtful is unreadable: two lines that differ (wherever in the
text), two words in one line ("A or B"), a word that goes on ("No mistakes", "A clear mistake").

The label carries a code that the judged text cannot contain (`filters.verify.judge_prompt`), so
what a judge quotes from it is never its verdict. Work is linear in the text. Not covered: a judge
that argues for one option and writes the other.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from filters.verify.extract import visible

_DECOR = r"[*_`\"'~ \t]{0,8}"
_OPENED = r"(?:[*_`\"'~(\[{<$ \t]|\\(?:boxed|text|textbf|mathrm)\{){0,8}"
_GOES_ON = re.compile(r"[ \t]+[^\W_]|[\u2019'-][^\W_]|[^\W_]")
_SECOND = re.compile(r"[\W_]{0,8}(?:/|\||,|\bor\b|\band\b)[\W_]{0,8}(?:[^\W_]+[\W_]{1,4}){0,2}?")
_REACH = 60
"""Characters of decoration that a line may begin with."""
_LINE_START = re.compile(r"[\s*_`\"'~#>(\[{$-]*")
_REFUSAL = re.compile(
    r"\b(?:i(?:['\u2019]m| am) (?:sorry|unable)|i (?:can|won)['\u2019]t|i cannot|as an ai)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read."""

    word: str | None
    """One of the options as they were given, or None."""
    why: str
    """Why nothing could be read; empty otherwise."""


def read(text: str, label: str, options: Collection[str]) -> Reading:
    """The option that a judge's text decides for.

    Args:
        text: The judge's completion.
        label: What begins the verdict line, in any case, e.g. ``VERDICT 1f3a5c70``.
        options: The words that may follow; single letters count in the case given, words in any.
    """
    shown = visible(text)
    stated = re.compile(
        rf"(?<![^\W_]){re.escape(label)}{_DECOR}[:=]{_OPENED}(?P<word>[^\W_]+)", re.IGNORECASE
    )
    found: dict[str, bool] = {}
    for line in stated.finditer(shown):
        word = _option(line["word"], options)
        if word is None:
            continue
        if _goes_on(shown, line.end()):
            return Reading(None, "the verdict line goes on after its word")
        if second := _second(shown, line.end(), word, options):
            return Reading(None, f"the verdict line names {word} and {second}")
        found[word] = found.get(word, False) or _begins_line(shown, line.start())
    if len(found) > 1:
        return Reading(None, f"verdict lines differ: {', '.join(found)}")
    if any(found.values()):
        return Reading(next(iter(found)), "")
    return Reading(None, _why_none(shown, label))


def _option(word: str, options: Collection[str]) -> str | None:
    for option in options:
        if word == option or (len(option) > 1 and word.casefold() == option.casefold()):
            return option
    return None


def _goes_on(text: str, at: int) -> bool:
    """Whether the word is the beginning of something longer ("A clear mistake", "A's")."""
    found = _GOES_ON.match(text, at)
    return found is not None and not re.match(r"[ \t]+(?:or|and)\b", text[at : at + 12])


def _second(text: str, at: int, first: str, options: Collection[str]) -> str | None:
    """Another option that the same line names as an alternative."""
    rest = text[at : at + 80].partition("\n")[0]
    for option in options:
        flags = re.IGNORECASE if len(option) > 1 else re.NOFLAG
        other = re.compile(rf"(?:{_SECOND.pattern})\b{re.escape(option)}\b", flags)
        if option != first and other.match(rest):
            return option
    return None


def _begins_line(text: str, at: int) -> bool:
    start = text.rfind("\n", max(0, at - _REACH), at) + 1
    near = start > 0 or at <= _REACH  # else the line began further back than any decoration
    return near and _LINE_START.fullmatch(text, start, at) is not None


def _why_none(text: str, label: str) -> str:
    if not text.strip():
        return "nothing was written"
    if label.casefold() in text.casefold():
        return "the verdict line names no option"
    return "the judge refused" if _REFUSAL.search(text) else "no verdict line"
