"""Judging old candidates again, after a verifier changed: new verdicts beside the old ones.

A round that has ended keeps its selection and its report, which say what was known then; `verdicts`
and `lineage` show the newest version of a verifier. What flipped is the result.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filters.verify import GROUP_VERIFIERS, JUDGES
from filters.verify.code import sandboxed
from filters.verify.named import find_verifier
from filters.verify.pool import VerifierPool
from flows.decided import version_order
from flows.verify import part_of
from rsfactory.errors import InputError
from rsfactory.ids import content_id
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.store import CANDIDATES, PROBLEMS, VERDICTS, Store, read_shard


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A candidate whose outcome changed."""

    candidate_id: str
    before: Outcome
    after: Outcome
    reason: str
    """Of the new verdict."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """What judging again came to."""

    verifier: str
    version: str
    candidates: int
    """Judged by this verifier, in this call or before it."""
    flipped: list[Flip]


def wanted(words: str) -> tuple[str, str]:
    """Name and version of ``math`` or ``math@2``.

    Raises:
        InputError: No verifier is called that, or another version of it is installed.
    """
    name, at, version = words.partition("@")
    if name in JUDGES or name in GROUP_VERIFIERS:
        raise InputError(
            f"verifier {name} decides with a run's recipe and cannot be asked again alone; start a "
            f"run with other settings instead: factory run RECIPE --set problems.verifier={name}"
        )
    verifier = find_verifier(name)
    if at and version != verifier.version:
        raise InputError(
            f"expected verifier {words}, installed is {name}@{verifier.version}; "
            f"give that, or install the version of the factory that has {words}"
        )
    return name, verifier.version


def verify_again(store: Store, words: str, begin: Callable[[int], Callable[[], None]]) -> Again:
    """New verdicts of the candidates that the verifier decides and has not judged in this version.

    Shard by shard, so that an interrupted call continues.

    Args:
        store: The run.
        words: ``math`` or ``math@2``.
        begin: Gets the number of candidates to judge; what it returns is called with each verdict.

    Raises:
        InputError: No such verifier, or another version of it.
        RunLocked: A process works on the run.
    """
    name, version = wanted(words)
    described = store.described() or {"recipe": {}}
    with (
        sandboxed(described["recipe"].get("sandbox", "full")),
        store.lock(),
        VerifierPool() as pool,
    ):
        problems = {p.id: p for p in store.read(PROBLEMS) if p.verifier == name}
        known = _verdicts(store, name)
        missing = [
            (round, shard, [c for c in candidates if version not in known.get(c.id, {})])
            for round, shard, candidates in _candidates(store, problems)
        ]
        step = begin(sum(len(candidates) for _, _, candidates in missing))
        for round, shard, candidates in missing:
            if candidates:
                pairs = [(problems[c.problem_id], c) for c in candidates]
                part = f"{part_of(shard)}-{content_id('a', name, version)}"
                store.write(VERDICTS, round, part, pool.verify(pairs, lambda _: step()))
    return _compare(name, version, _verdicts(store, name))


def _candidates(
    store: Store, problems: Mapping[str, Problem]
) -> Iterator[tuple[int, Path, list[Candidate]]]:
    """Round, shard and candidates of every candidate shard, those of other verifiers left out."""
    for round in store.rounds(CANDIDATES):
        for shard in store.shards(CANDIDATES, round):
            rows = read_shard(CANDIDATES, shard)
            yield round, shard, [c for c in rows if c.problem_id in problems]


def _verdicts(store: Store, name: str) -> dict[str, dict[str, Verdict]]:
    """Candidate -> version -> verdict, of one verifier."""
    found: dict[str, dict[str, Verdict]] = {}
    for verdict in store.read(VERDICTS):
        if verdict.verifier == name:
            found.setdefault(verdict.candidate_id, {})[verdict.version] = verdict
    return found


def _compare(name: str, version: str, verdicts: Mapping[str, Mapping[str, Verdict]]) -> Again:
    flips = []
    for candidate, versions in verdicts.items():
        older = sorted((v for v in versions if v != version), key=version_order)
        if older and versions[older[-1]].outcome is not versions[version].outcome:
            before, after = versions[older[-1]], versions[version]
            flip = Flip(
                candidate_id=candidate,
                before=before.outcome,
                after=after.outcome,
                reason=after.reason,
            )
            flips.append(flip)
    return Again(verifier=name, version=version, candidates=len(verdicts), flipped=flips)
