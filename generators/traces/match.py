r"""Which rows of a set ask a problem: by the question's normal form, with or without a wrapper.

A row answers a problem when its question is the problem's text, case and white space apart, or when
it is that text with instructions around it ("Return your final response within \boxed{}. ...").
What may be taken off at the two ends, sentence by sentence, is

- a sentence of nothing but words that instructions are made of (`WORDS`; no number, no formula), so
  that "modulo 7" or "to the nearest cent" are never taken off
- a template of the set: a sentence that begins or ends at least `SHARE` of its questions

What is left has to be the whole problem; a problem that is a part of another question is none.
Where two different templates leave the same text ("Compute the sum. 3, 4", "Compute the product.
3, 4"), nobody can say which of them the problem means: such rows are given to none, and counted.

Every form of every question is kept as a 64-bit hash with its row, 16 bytes each, and compared by
text when it is asked for. Not covered: reworded questions; choices written in another way.
"""

import bisect
import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice, takewhile

from generators.problems.finite import same_question

SHARE = 0.2
"""Of the questions looked at that a template begins or ends."""
FEWEST = 5
"""Questions that share a template at least."""
DEEPEST = 6
"""Sentences that are taken off at each end at most."""

_WORDS = (
    "a above according all an and answer answers answered approach appropriate as at based be "
    "before begin below box boxed brackets but by carefully chain clear clearly clean code "
    "complete concise conclude correct could detail detailed directly do ensure enclose "
    "enclosed end ending explain explaining explanation expression final finally "
    "finish follow following follows for form format formatted full function generate give "
    "given go help here how i if implement in including inline input inside instruction "
    "instructions into is it its just latex let's like logical logically make math "
    "mathematical mathematics must need not of on only out output own physics please plain "
    "present problem problems process program provide puzzle put python query question "
    "questions read reason reasoned reasoning response responses respond result return right "
    "science section should show simplified so solution solutions solve solved solving standard "
    "state step steps task tag tags the them then think thinking this thought thoughts "
    "thoroughly through to try use user using want way we well will with within without work "
    "working write written you your"
)
WORDS = frozenset(_WORDS.split())
"""What instructions are made of. Words that change what is asked for are not here."""

_BREAK = re.compile(r"\n+|(?<=[.!?:>*}])\s+")
_MARKUP = re.compile(r"\\boxed\{[^{}]*\}|</?[a-z_]+>|[\s.,:;!?'\"()*#`$\[\]{}\\-]+")


def pieces(question: str) -> list[str]:
    """The sentences and lines of a question, each in normal form; joined they are the whole."""
    return [piece for part in _BREAK.split(question) if (piece := same_question(part))]


@lru_cache(maxsize=4096)
def instructs(piece: str) -> bool:
    """Whether a sentence has nothing but words of instructions."""
    words = _MARKUP.sub(" ", piece.replace("let's", "please")).split()
    return all(word in WORDS for word in words)


def templates(questions: Iterable[str]) -> frozenset[str]:
    """Sentences that begin or end many of the questions, each question counted once."""
    different = {same_question(question): question for question in questions}
    found: Counter[str] = Counter()
    for question in different.values():
        parts = pieces(question)
        if len(parts) > 1:
            found.update({*parts[:DEEPEST], *parts[-DEEPEST:]})
    needed = max(FEWEST, SHARE * len(different))
    return frozenset(piece for piece, count in found.items() if count >= needed)


def cores(question: str, shared: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The question as it is, then without its wrapper, each with the templates taken off.

    The first has nothing taken off. Sentences are taken off from both ends in all ways.
    """
    parts = pieces(question)

    def wrapping(ordered: Iterable[str]) -> int:
        """How many sentences in a row, from the first on, may be taken off."""
        off = takewhile(lambda piece: piece in shared or instructs(piece), ordered)
        return sum(1 for _ in islice(off, DEEPEST))

    front, back = wrapping(parts), wrapping(reversed(parts))
    for start in range(front + 1):
        for end in range(min(back, len(parts) - start - 1) + 1):
            rest = parts[start : len(parts) - end]
            taken = (*parts[:start], *parts[len(parts) - end :])
            yield " ".join(rest), tuple(p for p in taken if not instructs(p))


class QuestionIndex:
    """Rows by the forms of their questions."""

    def __init__(self, shared: frozenset[str]) -> None:
        """Takes the set's templates."""
        self._shared = shared
        self._hashes, self._rows = array("Q"), array("L")
        self._ordered = False
        self.ambiguous: set[int] = set()
        """Rows that were given to no problem, since their question is not the only one."""

    def add(self, row: int, question: str) -> None:
        """Keeps the forms of a row's question."""
        self._ordered = False
        for form in {core for core, _ in cores(question, self._shared)}:
            self._hashes.append(_hash(form))
            self._rows.append(row)

    def find(self, asked: str, question_of: Callable[[int], str]) -> list[int]:
        """Rows, in order, whose question is the one that is asked.

        Args:
            asked: The problem's prompt.
            question_of: A row's question.
        """
        wanted = same_question(asked)
        exact: list[int] = []
        wrapped: dict[tuple[str, ...], list[int]] = {}
        for row in self._candidates(_hash(wanted)):
            for form, taken in cores(question_of(row), self._shared):
                if form == wanted:
                    (wrapped.setdefault(taken, []) if taken else exact).append(row)
                    break
        if len(wrapped) > 1:
            self.ambiguous.update(row for rows in wrapped.values() for row in rows)
            return exact
        return sorted([*exact, *(row for rows in wrapped.values() for row in rows)])

    def _candidates(self, key: int) -> list[int]:
        """Rows with a form of this hash, in order."""
        if not self._ordered:
            order = sorted(range(len(self._hashes)), key=self._hashes.__getitem__)
            self._hashes = array("Q", (self._hashes[i] for i in order))
            self._rows = array("L", (self._rows[i] for i in order))
            self._ordered = True
        start = bisect.bisect_left(self._hashes, key)
        end = bisect.bisect_right(self._hashes, key)
        return list(self._rows[start:end])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
