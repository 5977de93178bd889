r"""``format``: whether a completion has the form of a trace format; not whether it is right.

A format is named ``ENDING`` or ``THINKING-ENDING``, e.g. ``think-answer``, ``reasoning-answer``,
``thought-answer``, ``think-boxed``, ``boxed``; ``any`` takes whichever fits.

- thinking: a block ``<think>``, ``<reasoning>`` or ``<thought>`` with something in it
- ``answer``: a block ``<answer>``; ``boxed``: a ``\boxed{}``; ``hashes``: a line ``#### x``;
  ``line``: a line ``Answer: x``; ``text``: any text

Strict: each block once, in that order, nothing but white space outside of the blocks; a box, a
line ``####`` or an answer line once, as the last thing said. Soft: the parts can be found, in that
order, with whatever around them. Either way no part may be empty, and a block that is never closed
is none.

The format comes from the metadata, ``{"format": "think-answer", "strict": true, "opened": false}``
(``opened``: the prompt ended with the thinking tag, so that only its end is to be expected), or
from an answer that names it (``think-answer``, or ``think-answer soft``). `Verdict.results` has
each condition, `Verdict.share` the share that holds, for graded rewards. A teacher's separate
reasoning field counts as its thinking block. Not covered: tags in other languages, attributes.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filters.verify.extract import strong_claims
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

THINKING = ("think", "reasoning", "thought")
ENDINGS = ("answer", "boxed", "hashes", "line", "text")
FORMATS = (*ENDINGS, *(f"{thinking}-{ending}" for thinking in THINKING for ending in ENDINGS))
"""Names of formats, without ``any``."""

_HASHES = re.compile(r"^[ \t]*####(?!#)[ \t]*(\S[^\n]*)?$", re.MULTILINE)
_LINE = re.compile(
    r"^[ \t*_]*(?:final[ \t]+)?answer[*_]*[ \t]*:[*_]*[ \t]*(\S[^\n]*)?$",
    re.IGNORECASE | re.MULTILINE,
)
_BEHIND = re.compile(r"[\s$.*_]*(?:\\[)\]])?[\s$.*_]*")

Results = list[tuple[str, bool]]
"""Each condition, and whether it holds."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a completion."""

    formats: tuple[str, ...]
    strict: bool
    opened: bool


class FormatVerifier:
    """The form of a completion."""

    name = "format"
    version = "1"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict: all of it is bounded work."""
        began = time.monotonic()
        try:
            wanted = _wanted(problem)
        except ValueError as error:
            return verdict(self, candidate, Outcome.UNVERIFIABLE, str(error), began=began)
        text = candidate.completion
        best: tuple[float, str, Results] = (-1.0, "", [])
        for name in wanted.formats:
            results = conditions(name, _with_reasoning(name, text, candidate), wanted)
            share = sum(holds for _, holds in results) / len(results)
            best = max(best, (share, name, results), key=lambda found: found[0])
        share, name, results = best
        failed = [condition for condition, holds in results if not holds]
        if failed and candidate.finish_reason == "length":
            return unanswered(self, candidate, f"not yet {name}: {failed[0]}", began=began)
        reason = f"not {name}: {'; '.join(failed)}" if failed else f"it is {name}"
        return verdict(
            self, candidate, Outcome.WRONG if failed else Outcome.CORRECT, reason, extracted=name,
            began=began, results=["passed" if holds else said for said, holds in results],
            share=share,
        )  # fmt: skip

    verify = quick


def conditions(name: str, text: str, wanted: Wanted) -> Results:
    """Each condition of a format, and whether a completion meets it."""
    thinking, _, ending = name.rpartition("-")
    results: Results = []
    rest = text
    if thinking:
        if wanted.opened and f"<{thinking}>" not in text:
            text = f"<{thinking}>{text}"
        found, rest = _block(thinking, text, wanted.strict)
        results += found
    if ending == "text":
        where = "text after the thinking" if thinking else "text"
        return [*results, (f"expected {where}", bool(rest.strip()))]
    return results + _ENDINGS[ending](rest, wanted.strict)


def _block(tag: str, text: str, strict: bool) -> tuple[Results, str]:
    """Conditions on a block, and the text behind it (behind the last one of several)."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    opens, closes = text.count(opening), text.count(closing)
    start, end = text.find(opening), text.rfind(closing)
    most = 1 if strict else len(text)
    times = "once" if strict else "at least once"
    closed = 0 <= start < end
    inside = text[start + len(opening) : end] if closed else ""
    results = [
        (f"expected {opening} {times}, found {opens}", 1 <= opens <= most),
        (f"expected {closing} {times}, found {closes}", 1 <= closes <= most),
        (f"expected something between {opening} and {closing}", bool(inside.strip())),
    ]
    if strict:
        before = text[:start] if closed else text
        results.append((f"expected nothing before {opening}", closed and not before.strip()))
    return results, text[end + len(closing) :] if closed else ""


def _answer(text: str, strict: bool) -> Results:
    results, rest = _block("answer", text, strict)
    if strict:
        found = "</answer>" in text
        results.append(("expected nothing after </answer>", found and not rest.strip()))
    return results


def _boxed(text: str, strict: bool) -> Results:
    boxes = [c for c in strong_claims(text) if text.startswith(("\\boxed", "\\fbox"), c.start)]
    good = bool(boxes) and bool(boxes[-1].text)
    results = [("expected a closed \\boxed{} with something in it", good)]
    if strict:
        count = len(re.findall(r"\\(?:boxed|fbox)\s*\{", text))
        results.append((f"expected one \\boxed{{}}, found {count}", count == 1))
        last = good and _BEHIND.fullmatch(text, boxes[-1].end) is not None
        results.append(("expected nothing after the box", last))
    return results


def _marked(pattern: re.Pattern[str], mark: str) -> Callable[[str, bool], Results]:
    def check(text: str, strict: bool) -> Results:
        lines = list(pattern.finditer(text))
        results = [(f"expected a line {mark} with something on it", any(m[1] for m in lines))]
        if strict:
            results.append((f"expected one line {mark}, found {len(lines)}", len(lines) == 1))
            last = bool(lines) and not text[lines[-1].end() :].strip()
            results.append((f"expected the line {mark} last", last))
        return results

    return check


_ENDINGS: dict[str, Callable[[str, bool], Results]] = {
    "answer": _answer,
    "boxed": _boxed,
    "hashes": _marked(_HASHES, "####"),
    "line": _marked(_LINE, "Answer:"),
}


def _with_reasoning(name: str, text: str, candidate: Candidate) -> str:
    """The completion with the reasoning that a teacher gave apart, as the format writes it."""
    thinking = name.rpartition("-")[0]
    if not thinking or not candidate.reasoning or f"</{thinking}>" in text:
        return text
    return f"<{thinking}>{candidate.reasoning}</{thinking}>{text}"


def _wanted(problem: Problem) -> Wanted:
    """The format a problem asks for.

    Raises:
        ValueError: It names none that is known.
    """
    asked: dict[str, Any] = {}
    if problem.metadata:
        try:
            asked = dict(json.loads(problem.metadata))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"the metadata is no JSON object: {error}") from error
    words = problem.answer.split()
    name = str(asked.get("format", words[0] if words else "")).replace("_", "-").casefold()
    if name != "any" and name not in FORMATS:
        known = f"any, {', '.join(ENDINGS)}, each also behind {', '.join(THINKING)} and a hyphen"
        raise ValueError(f"no format is called {shorten(name)!r}; there is: {known}")
    soft = words[1:] == ["soft"] and "format" not in asked
    formats = FORMATS if name == "any" else (name,)
    if name == "any":
        formats = tuple(f for f in FORMATS if not f.endswith("text"))
    return Wanted(formats, bool(asked.get("strict", not soft)), bool(asked.get("opened", False)))
