r"""``math``: a marked final answer against a gold number or expression.

Three steps. Numbers and words are compared as they are written (`filters.verify.quantity`); other
answers are read into trees and compared by exact arithmetic, helped by numbers that only ever say
"different" (`filters.verify.equivalence`). Both steps are bounded and run in the calling process
(`quick`, no library behind it, nothing of the text is executed). What they cannot decide goes to
math-verify (`filters.verify.library`), gold first; that step belongs in a worker process with
limits from outside (`filters.verify.pool`), and only texts that cannot run away get there
(`filters.verify.bounds`).

Outcomes: no marked answer is UNPARSED, or TRUNCATED where the length limit cut the completion off.
An answer that was given before the cut is judged: what follows it does not undo it; but one that
ends exactly at the cut without anything closing it may lack digits and is TRUNCATED. A gold that
cannot be read is UNVERIFIABLE whatever the answer. A marked answer that cannot be read as an
expression is UNPARSED, and one that is too large to compute is UNVERIFIABLE: neither was compared.

Not covered: an answer so large that math-verify itself swallows the memory error (it counts as
different); whether the reasoning supports the answer; golds whose meaning needs the question
(units the gold leaves out, rounding it asked for).
"""

import re
import time
from functools import lru_cache

from filters.verify import equivalence, expression, library, quantity, tokens
from filters.verify.bare import math_claim
from filters.verify.bounds import fits
from filters.verify.congruence import congruent
from filters.verify.expression import Tree
from filters.verify.extract import Claim, final_claim, undecorate, unwrap
from filters.verify.marks import bounded, marked
from filters.verify.polynomial import TooLarge
from filters.verify.units import has_other_words, units_differ, without_unit
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

_DECIMAL_COMMA = re.compile(r"-?(?![1-9]\d{0,2},\d{3}$|0\d)\d{1,20},\d{2,20}", re.ASCII)
_WARM_UP = (
    ("0.5x", r"\frac{1}{2}"), ("x^2", r"\int_0^x 2t dt"), ("3", r"\sum_{k=1}^2 k"),
    ("1", r"\lim_{x \to 0} \frac{\sin x}{x}"),
)  # fmt: skip
"""Comparisons whose parts of sympy are imported on first use."""
_LETTER = re.compile(r"\(?([A-H])\)?")
_CHOSEN = re.compile(r"\s*(?:\(([A-H])\)|([A-H])[):.])\s*(?=\S)")
_BRACKETED = re.compile(r"\(([A-H])\)")
_THREE_LETTERS = re.compile(r"[^\W\d_]{3,}(?:[ -][^\W\d_]+){0,5}")
_WORD = re.compile(r"[^\W\d_]{2,}(?:[ -][^\W\d_]{2,}){0,5}")


class MathVerifier:
    """Numbers and expressions."""

    name = "math"
    version = "2"
    limit = 1.5
    """Seconds for a verdict in a worker: what is not decided by then is not worth waiting for."""

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict | None:
        """The verdict where bounded, exact work in this process finds it, else None."""
        began = time.monotonic()
        if not problem.answer.strip():
            return self._say(candidate, Outcome.UNVERIFIABLE, "the gold answer is empty", began)
        claim = math_claim(candidate.completion)
        if claim is None or claim.text is None:
            return unanswered(self, candidate, _why_none(claim), began=began)
        if claim.open_end and candidate.finish_reason == "length":
            return unanswered(self, candidate, "the answer may be cut off", began=began)
        try:
            right = _compare(_gold(problem.answer), claim.text)
        except TooLarge:
            reason = "the numbers or sums in the gold or the answer are too large to compute"
            return self._say(candidate, Outcome.UNVERIFIABLE, reason, began, claim.text)
        if right is None and not fits(_gold(problem.answer)):
            return self._bad_gold(problem, candidate, claim.text, began)
        if right is None and not fits(claim.text):
            reason = f"the answer is too large to compare ({len(claim.text)} characters)"
            return self._say(candidate, Outcome.UNVERIFIABLE, reason, began, claim.text)
        return None if right is None else self._judge(problem, candidate, right, began, claim.text)

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict. May run long or need much memory: call it in a worker."""
        began = time.monotonic()
        done = self.quick(problem, candidate)
        if done is not None:
            return done
        claim = math_claim(candidate.completion)
        assert claim is not None
        assert claim.text is not None
        gold = library.parsed_gold(_gold(problem.answer))
        if not gold:
            return self._bad_gold(problem, candidate, claim.text, began)
        answer = library.parse(claim.text)
        if not answer:
            reason = f"the marked answer {shorten(claim.text)!r} is not readable as an expression"
            return self._say(candidate, Outcome.UNPARSED, reason, began, claim.text)
        return self._judge(problem, candidate, library.equal(gold, answer), began, claim.text)

    def decides_on(self, problem: Problem, candidate: Candidate) -> str | None:
        """The marked answer; None where there is none, or one that may be cut off."""
        claim = math_claim(candidate.completion)
        if claim is None or (claim.open_end and candidate.finish_reason == "length"):
            return None
        return claim.text

    def prepare(self) -> None:
        """Imports math-verify and fills its caches, so that no row's time pays for it."""
        for gold, answer in _WARM_UP:
            library.equal(library.parse(gold), library.parse(answer))

    def _judge(
        self, problem: Problem, candidate: Candidate, right: bool, began: float, extracted: str
    ) -> Verdict:
        sign = "equals" if right else "is not"
        reason = f"{shorten(extracted)} {sign} {shorten(problem.answer)}"
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        return self._say(candidate, outcome, reason, began, extracted)

    def _bad_gold(
        self, problem: Problem, candidate: Candidate, extracted: str, began: float
    ) -> Verdict:
        reason = f"the gold answer {shorten(problem.answer)!r} is not readable as an expression"
        return self._say(candidate, Outcome.UNVERIFIABLE, reason, began, extracted)

    def _say(
        self,
        candidate: Candidate,
        outcome: Outcome,
        reason: str,
        began: float,
        extracted: str | None = None,
    ) -> Verdict:
        return verdict(self, candidate, outcome, reason, extracted=extracted, began=began)


def _why_none(claim: Claim | None) -> str:
    if claim is None:
        return r"no marked answer (\boxed{}, <answer>, ####, 'the answer is')"
    return "the last answer's mark is empty or never closed"


def _compare(gold: str, answer: str) -> bool | None:
    """Exact comparison in this process; None where it decides nothing.

    Raises:
        TooLarge: The work to decide is more than this process does.
    """
    known: bool | None = False
    changed = _changed(gold, answer)
    for reading in _readings(gold):
        right = _compare_simply(reading, answer)
        right = False if right is None and changed else right
        right = congruent(reading, answer) if right is None else right
        right = _compare_trees(reading, answer) if right is None else right
        if right:
            return True
        known = None if right is None else known
    return known


def _changed(gold: str, answer: str) -> bool:
    """Whether words or signs around one of them, that the other has not, make it another."""
    if has_other_words(answer) and not has_other_words(gold, trusted=True):
        return True
    if bounded(gold):
        return quantity.read(answer) is not None
    return marked(answer) and not marked(gold)


@lru_cache(4096)
def _readings(gold: str) -> tuple[str, ...]:
    """The gold, and with a decimal comma read as a point where it cannot mean thousands."""
    bare = undecorate(gold) if len(gold) < 100 else ""
    return (gold, bare.replace(",", ".")) if _DECIMAL_COMMA.fullmatch(bare) else (gold,)


def _compare_simply(gold: str, answer: str) -> bool | None:
    """Numbers, or words."""
    number = _number(gold)
    if number is not None:
        other = quantity.read(answer)
        if other is None and _THREE_LETTERS.fullmatch(unwrap(answer)):
            return False
        return None if other is None else quantity.same(number, other)
    word = unwrap(gold)
    if letter := _LETTER.fullmatch(word):
        return _same_letter(letter[1], unwrap(answer))
    if not _WORD.fullmatch(word):
        return None
    said = unwrap(answer)
    if word.casefold() == said.casefold():
        return True
    decided = _THREE_LETTERS.fullmatch(word) and (_WORD.fullmatch(said) or said.isdecimal())
    return False if decided else None


def _same_letter(gold: str, answer: str) -> bool | None:
    """A letter against ``(C) 7``, a choice with its text; None for anything else."""
    chosen = _CHOSEN.match(answer)
    if chosen is None:
        return None
    letter = chosen[1] or chosen[2]
    return letter == gold and set(_BRACKETED.findall(answer)) <= {letter}


def _compare_trees(gold: str, answer: str) -> bool | None:
    """Expressions and what is made of them."""
    first = _gold_tree(gold)
    second = None if first is None else _tree(answer)
    if first is None or second is None:
        return None
    if units_differ(gold, answer):
        return False
    try:
        return equivalence.equal(first, second)
    except RecursionError as error:  # trees are bounded in height; what is made of them might not
        raise TooLarge("too many levels") from error


@lru_cache(4096)
def _number(gold: str) -> quantity.Quantity | None:
    return quantity.read(gold, trusted=True)


@lru_cache(4096)
def _gold_tree(gold: str) -> Tree | None:
    return _tree(gold, trusted=True)


def _tree(text: str, *, trusted: bool = False) -> Tree | None:
    if len(text) > tokens.LONGEST:
        return None
    try:
        return expression.read(without_unit(text, trusted=trusted).replace("$", " "))
    except tokens.Unreadable:
        return None


@lru_cache(4096)
def _gold(answer: str) -> str:
    r"""The gold; a source may give a whole solution that marks it (``\boxed{}``, ``####``, ...)."""
    marked = final_claim(answer, short_label=False)
    return (marked.text if marked else None) or answer
