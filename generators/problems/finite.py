"""A finite set of problems (a file, a Hub data set): what is held out, and what each round gets.

Held-out problems are those whose question has the lowest hash, so that they stay the same whatever
the order of the file, the run's seed or its limit, and two copies of a question never end up on
both sides (case and white space do not make another question). Rounds walk through the rest in an
order that the seed decides and begin again when it is used up. The problems lie on a shelf; of each
only two numbers stay in memory. Not covered: reworded copies.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from generators.problems.options import MAX_HELD_OUT, Options
from generators.problems.origin import listed
from generators.problems.shelf import Shelf
from rsfactory.errors import InputError
from rsfactory.ids import content_id, seed_of
from rsfactory.records import Problem
from rsfactory.words import counted


class FiniteSet:
    """A `ProblemSet` over problems that are all there."""

    def __init__(self, name: str, problems: Iterable[Problem], options: Options) -> None:
        """Reads the problems; a problem that comes twice counts once.

        Raises:
            InputError: There is no problem, or just one where some have to be held out.
            StoreError: There is no room for them.
        """
        self.name = name
        seen = _Seen(options)
        self._problems = Shelf(seen.first(problems))
        if seen.repeated and options.log:
            rows = counted(seen.repeated, "rows")
            options.log(f"{rows} of {name} left out: the same problem came before")
        if not self._problems:
            raise InputError(f"expected problems in {name}, found none; give another source")
        out = seen.held_out()
        self._held_out = _lowest(self._problems, seen.questions, out)
        kept = [i for i in range(len(self._problems)) if not out or seen.questions[i] not in out]
        if options.purpose == "both" and not (out and kept):
            raise InputError(
                f"expected at least two different problems in {name}, to hold one out; "
                "give a larger source, or a held-out source of its own with --held-out"
            )
        kept.sort(key=seen.seeds.__getitem__)
        self._train = self._problems.arranged(kept[: options.limit])
        self.licence, self.provenance = listed(seen.licences), listed(seen.provenances)
        self.domain = seen.domains.most_common(1)[0][0]
        self._fingerprint = content_id("src", name, sorted(seen.ids))

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
        solved = (p for p in self._train[::-1] if p.solution is not None)
        return [replace(p, split="cold_start") for p in islice(solved, count)]

    def train(self, round: int, count: int) -> Sequence[Problem]:
        """The round's problems: where the round before stopped, from the start again at the end."""
        size = len(self._train)
        count = min(count, size)
        return self._train.arranged(((round - 1) * count + i) % size for i in range(count))

    def fingerprint(self) -> str:
        """Key of all problems, whatever their order."""
        return self._fingerprint


def same_question(text: str) -> str:
    """The form in which two questions are compared: case and white space do not count."""
    return " ".join(text.casefold().split())


class _Seen:
    """What is noted of problems while they go to the shelf."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.ids: set[str] = set()
        self.repeated = 0
        self.questions = array("Q")
        """Hash of each question; none are made where nothing is held out."""
        self.seeds = array("Q")
        """What training goes by."""
        self.domains: Counter[str] = Counter()
        self.licences: dict[str, None] = {}
        self.provenances: dict[str, None] = {}

    def first(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """The problems without those that came before."""
        for problem in problems:
            if problem.id in self.ids:
                self.repeated += 1
                continue
            self._note(problem)
            yield problem

    def _note(self, problem: Problem) -> None:
        self.ids.add(problem.id)
        self.seeds.append(seed_of(self._options.seed, problem.id))
        if self._options.purpose != "train":
            self.questions.append(seed_of("held_out", same_question(problem.prompt)))
        self.domains[problem.domain] += 1
        self.licences[problem.licence] = self.provenances[problem.provenance] = None

    def held_out(self) -> set[int]:
        """The lowest hashes of questions: all of them, or half where some are to be trained on."""
        ordered = sorted(set(self.questions))
        most = len(ordered) // 2 if self._options.purpose == "both" else len(ordered)
        return set(ordered[: min(MAX_HELD_OUT, most)])


def _lowest(problems: Shelf, questions: Sequence[int], out: set[int]) -> list[Problem]:
    """One problem for each of these questions, the one with the lowest key."""
    found: dict[int, Problem] = {}
    for place, question in enumerate(questions):
        if question in out:
            problem = problems[place]
            before = found.setdefault(question, problem)
            found[question] = min(before, problem, key=lambda p: p.id)
    return [found[question] for question in sorted(found)]
