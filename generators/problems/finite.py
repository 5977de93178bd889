"""A finite set of problems (a file, a Hub data set): what is held out, and what each round gets.

Held-out problems are those whose question has the lowest hash, so that they stay the same whatever
the order of the file, the run's seed or its limit, and two copies of a question never end up on
both sides (case and white space do not make another question). Rounds walk through the rest in an
order that the seed decides and begin again when it is used up. Not covered: reworded copies.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from generators.problems.options import MAX_HELD_OUT, Options
from generators.problems.origin import listed
from rsfactory.errors import InputError
from rsfactory.ids import content_id, seed_of
from rsfactory.records import Problem


class FiniteSet:
    """A `ProblemSet` over problems that are all there."""

    def __init__(self, name: str, problems: Iterable[Problem], options: Options) -> None:
        """Reads the problems; a problem that comes twice counts once.

        Raises:
            InputError: There is no problem, or just one where some have to be held out.
        """
        self.name = name
        self._problems = list({p.id: p for p in reversed(list(problems))}.values())[::-1]
        if not self._problems:
            raise InputError(f"expected problems in {name}, found none; give another source")
        self._held_out, kept = _split(self._problems, options)
        if options.purpose == "both" and not (self._held_out and kept):
            raise InputError(
                f"expected at least two different problems in {name}, to hold one out; "
                "give a larger source, or a held-out source of its own with --held-out"
            )
        kept.sort(key=lambda p: seed_of(options.seed, p.id))
        self._train = kept[: options.limit]
        self.licence = listed(p.licence for p in self._problems)
        self.provenance = listed(p.provenance for p in self._problems)
        self.domain = Counter(p.domain for p in self._problems).most_common(1)[0][0]

    @property
    def size(self) -> int:
        """Problems to train on in all."""
        return len(self._train)

    def problems(self) -> Iterator[Problem]:
        """All problems in the source's own order."""
        return iter(self._problems)

    def held_out(self, count: int) -> list[Problem]:
        """Up to ``count`` of the problems that are never trained on."""
        return [replace(p, split="held_out") for p in self._held_out[:count]]

    def cold_start(self, count: int) -> list[Problem]:
        """Up to ``count`` training problems with a worked solution: those that rounds reach last.

        A set too small for both gives the same problem to the cold start and to a round.
        """
        solved = [p for p in reversed(self._train) if p.solution is not None]
        return [replace(p, split="cold_start") for p in solved[:count]]

    def train(self, round: int, count: int) -> list[Problem]:
        """The round's problems: where the round before stopped, from the start again at the end."""
        size = len(self._train)
        count = min(count, size)
        return [self._train[((round - 1) * count + i) % size] for i in range(count)]

    def fingerprint(self) -> str:
        """Key of all problems, whatever their order."""
        return content_id("src", self.name, sorted(p.id for p in self._problems))


def same_question(text: str) -> str:
    """The form in which two questions are compared: case and white space do not count."""
    return " ".join(text.casefold().split())


def _split(problems: Sequence[Problem], options: Options) -> tuple[list[Problem], list[Problem]]:
    """Held-out and other problems, by the hash of the question."""
    hashes = {p.id: seed_of("held_out", same_question(p.prompt)) for p in problems}
    ordered = sorted(set(hashes.values()))
    most = {"both": len(ordered) // 2, "train": 0, "held_out": len(ordered)}[options.purpose]
    out = set(ordered[: min(MAX_HELD_OUT, most)])
    by_hash = sorted(problems, key=lambda p: (hashes[p.id], p.id))
    held_out = {hashes[p.id]: p for p in reversed(by_hash) if hashes[p.id] in out}
    return list(held_out.values())[::-1], [p for p in problems if hashes[p.id] not in out]
