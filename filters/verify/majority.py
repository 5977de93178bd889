r"""``majority``: the answer that most candidates of a problem give, where there is no gold.

Self-consistency (Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning",
arXiv:2203.11171): independent ways to the same answer make it likelier. The largest group of equal
answers is CORRECT if it has at least `minimum` members, at least the share `share` of *all* the
group's candidates (those without an answer included), and is strictly larger than the next; the
other answers are WRONG then. Without such a group the answers are UNVERIFIABLE: no majority is not
an error of theirs. A candidate without an answer is UNPARSED or TRUNCATED and has no vote.

Every verdict says that no gold was used, and its verifier is ``majority``: a majority is an
opinion. Students trained on it grow surer, not only righter; measure on held-out problems, which
need golds. A problem's own answer is not looked at, even where it has one.

Equal: the same letter among choices, numbers of the same value (`filters.verify.quantity`), else
the same text apart from case, white space and LaTeX spacing. Answers join the group whose first
member they equal, in the order of the candidates' index, so shards and their order do not matter.
Not covered: expressions that are equal only after algebra (``x+1`` and ``1+x`` are two groups,
which costs a majority); a redone candidate beside an answered first try of the same index.
"""

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from filters.verify import quantity
from filters.verify.choice import ChoiceVerifier
from filters.verify.exact import normal
from filters.verify.extract import final_claim, visible
from filters.verify.quantity import Quantity
from filters.verify.verdicts import Stamp, shorten, unanswered, verdict
from rsfactory.ids import content_id
from rsfactory.records import Candidate, Outcome, Problem, Verdict

_SPACING = re.compile(r"\\left\b|\\right\b|\\[,;:! ]|\s|\$")
_FRACTION = re.compile(r"\\[dt]frac")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is compared."""

    text: str
    """As written."""
    plain: str
    """Its text without what does not count."""
    number: Quantity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MajorityVerifier:
    """A `rsfactory.contracts.GroupVerifier` with its settings."""

    name = "majority"
    version = "1"

    share: float
    """Of all candidates of the problem, that must agree."""
    minimum: int
    """Candidates that must agree."""

    def verify_group(self, problem: Problem, group: Sequence[Candidate]) -> list[Verdict]:
        """A verdict for each candidate of a problem, in their order."""
        began = time.monotonic()
        answers = [_answer(problem, candidate) for candidate in group]
        count = _count(group, answers)
        pairs = zip(group, answers, strict=True)
        return [self._verdict(candidate, answer, count, began) for candidate, answer in pairs]

    def _verdict(
        self, candidate: Candidate, answer: Answer | str, count: "_Count", began: float
    ) -> Verdict:
        key = content_id("m", self.share, self.minimum)
        stamp = Stamp(self.name, f"{self.version}+{key[2:10]}")
        if isinstance(answer, str):
            return unanswered(stamp, candidate, answer, began=began)
        told = f"{len(count.members)} of {count.of} agree on {shorten(count.text)}"
        share = len(count.members) / count.of
        if not count.alone:
            outcome = Outcome.UNVERIFIABLE
            reason = f"no majority: {told}, and as many on another answer (no gold)"
        elif len(count.members) < self.minimum or share < self.share:
            outcome = Outcome.UNVERIFIABLE
            needed = f"{self.minimum} and a share of {self.share:g}"
            reason = f"no majority: {told}, needed are {needed} (no gold)"
        elif candidate.id in count.members:
            outcome, reason = Outcome.CORRECT, f"{told} (no gold)"
        else:
            outcome, reason = Outcome.WRONG, f"{shorten(answer.text)}, but {told} (no gold)"
        return verdict(
            stamp, candidate, outcome, reason, extracted=answer.text, began=began, share=share
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Count:
    """How a group's answers fall."""

    members: frozenset[str]
    """Keys of the candidates with the most frequent answer."""
    text: str
    """That answer, as the first of them wrote it."""
    of: int
    """Candidates in all."""
    alone: bool
    """No other answer is as frequent."""


def _answer(problem: Problem, candidate: Candidate) -> Answer | str:
    """What a candidate answers, or why it answers nothing."""
    if problem.choices:
        asked = dataclasses.replace(problem, answer="A")  # any letter: only what it claims counts
        letter = ChoiceVerifier().quick(asked, candidate)
        decided = letter.outcome in (Outcome.CORRECT, Outcome.WRONG) and letter.extracted
        return Answer(decided, decided, None) if decided else "no single letter is claimed"
    text = visible(candidate.completion)
    claim = final_claim(text)
    if claim is None and quantity.read(text.strip()) is not None:
        return "no marked answer" if candidate.finish_reason == "length" else _compared(text)
    if claim is None or claim.text is None:
        return "no marked answer"
    if claim.open_end and candidate.finish_reason == "length":
        return "the answer may be cut off"
    return _compared(claim.text)


def _compared(text: str) -> Answer | str:
    plain = _FRACTION.sub(r"\\frac", _SPACING.sub("", normal(text)))
    return Answer(text.strip(), plain, quantity.read(text)) if plain else "the answer is empty"


def _same(one: Answer, other: Answer) -> bool:
    if one.plain == other.plain:
        return True
    if one.number is None or other.number is None:
        return False
    return quantity.same(one.number, other.number) is True


def _count(group: Sequence[Candidate], answers: Sequence[Answer | str]) -> _Count:
    """The largest set of equal answers; each set is led by its lowest index."""
    camps: list[tuple[Answer, list[str]]] = []
    pairs = zip(group, answers, strict=True)
    for candidate, answer in sorted(pairs, key=lambda p: (p[0].index, p[0].attempt, p[0].id)):
        if isinstance(answer, str):
            continue
        camp = next((members for lead, members in camps if _same(lead, answer)), None)
        if camp is None:
            camps.append((answer, [candidate.id]))
        else:
            camp.append(candidate.id)
    camps.sort(key=lambda camp: -len(camp[1]))  # stable: the lowest index first among equals
    if not camps:
        return _Count(frozenset(), "", len(group), False)
    lead, members = camps[0]
    alone = len(camps) == 1 or len(camps[1][1]) < len(members)
    return _Count(frozenset(members), lead.text, len(group), alone)
