"""How a run is opened: everything the user gave is checked before anything is written.

`open_run` is the only way in: it names the run, takes its lock, refuses a changed recipe, and
closes every child process on the way out, whatever happened.
"""

import contextlib
import importlib.metadata
import platform
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filters.checks import CHECKS
from filters.verify import GROUP_VERIFIERS, JUDGES, VERIFIERS
from filters.verify.code import CodeVerifier, sandboxed
from filters.verify.pool import VerifierPool
from flows import deciders, known, teachers
from flows.context import Run
from flows.meter import Meter
from flows.problems import apart
from flows.progress import Reporter
from generators.models import resolve as resolve_model
from generators.problems import ProblemSet, open_source
from generators.prompts import pick
from generators.teachers import local
from rsfactory import __version__
from rsfactory.budget import Budget, Prices, Spent, left
from rsfactory.child import fork_server
from rsfactory.contracts import resolve
from rsfactory.errors import InputError
from rsfactory.recipe import Recipe, flatten, merge, parse, run_name
from rsfactory.records import Problem
from rsfactory.store import Store, need_disk
from trainers import TRAINERS
from trainers.entry import OFFLINE, PRELOAD
from trainers.process import TrlTrainer

RECORDED = ("torch", "transformers", "trl", "polars", "duckdb", "math-verify", "reasoning-gym")
"""Packages whose versions a run records."""

OF_TRACES = ("completion", "reasoning", "finish_reason")
"""Names of columns that traces have and problems do not (``--map``)."""

MIN_HELD_OUT = 32
"""Fewer held-out problems say too little: with 32 the interval is about 0.17 wide on each side."""


@contextlib.contextmanager
def open_run(
    recipe: Recipe,
    *,
    seed: int,
    data: Path,
    name: str | None,
    reporter: Reporter,
    planning: bool = False,
) -> Iterator[Run]:
    """Opens a new run or continues the one of that name; holds its lock until the block ends.

    A run that was only planned so far (`flows.plan`) may be asked for less than was planned.

    Raises:
        InputError: The problems, the model, another part of the recipe or the name are wrong.
        RecipeChanged: The run on disk was made with another recipe.
        RunLocked: Another process holds the run.
        StoreError: The data folder cannot be written, or the disk has no room.
    """
    named = name or run_name(recipe, seed)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", named):
        raise InputError(
            "a run's name begins with a letter or digit, and has letters, digits, '-', '_' and '.' "
            f"(a recipe's name begins it), got {named!r}"
        )
    store = Store(data / "runs" / named)
    with contextlib.ExitStack() as held:
        held.enter_context(sandboxed(recipe.sandbox))
        source, held_out = _sources(recipe, seed, reporter)
        _check(recipe, source, held_out or source)
        for other in recipe.sample.reuse:
            known.other_run(store.folder, other)
        need_disk(store.folder, _disk_needed(recipe), "a run")
        held.enter_context(store.lock())
        recipe = _continue(store, named, recipe, seed, source, planning=planning)
        log = store.folder / "logs" / "forkserver.log"
        held.enter_context(fork_server(_preload(recipe), log=log, env=OFFLINE))
        verifiers = held.enter_context(VerifierPool())
        run = Run(
            named, recipe, seed, store, reporter, source, held_out, verifiers, Meter(recipe, store)
        )
        try:
            yield run
        finally:
            run.release()


def _sources(recipe: Recipe, seed: int, reporter: Reporter) -> tuple[ProblemSet, ProblemSet | None]:
    section = recipe.problems
    columns = section.columns
    if teachers.is_archive(recipe.sample.teacher) and not teachers.is_archive(section.source):
        columns = {name: column for name, column in columns.items() if name not in OF_TRACES}
    source = open_source(
        section.source, params=section.params, columns=columns,
        verifier=section.verifier, seed=seed, limit=section.limit,
        purpose="both" if section.held_out is None and recipe.flow == "star" else "train",
        gold=deciders.needs_gold(section.verifier),
        licence=section.licence, provenance=section.provenance, log=reporter.note,
    )  # fmt: skip
    grouped = section.verifier in GROUP_VERIFIERS
    if section.held_out is None and (not grouped or recipe.flow == "collect"):
        return source, None
    same = section.held_out in (None, section.source)
    other = open_source(
        section.held_out or section.source,
        params=section.params if same else {},
        licence=section.licence if same else None,
        provenance=section.provenance if same else None,
        columns=columns,
        verifier=None if grouped else section.verifier,  # agreement measures no accuracy
        seed=seed, limit=None, purpose="held_out" if section.held_out else "both",
        gold=deciders.needs_gold(section.verifier),  # else `deciders.check` says what has none
    )  # fmt: skip
    return source, other


def _check(recipe: Recipe, source: ProblemSet, held_out: ProblemSet) -> None:
    """Finds what would fail later, while nothing is written yet; fetches the student's model."""
    resolve(recipe.train.trainer, TRAINERS, "trainer")
    if recipe.problems.verifier is not None:
        there = {**VERIFIERS, **JUDGES, **GROUP_VERIFIERS}
        resolve(recipe.problems.verifier, there, "verifier")
    pick(recipe.sample.template, next(source.problems()), hinted=False)
    first = source.train(1, recipe.problems.per_round)
    measured = _check_held_out(recipe, source, held_out, first) if recipe.flow == "star" else []
    deciders.check(recipe, first, measured)
    if any(problem.verifier == CodeVerifier.name for problem in first):
        CodeVerifier().refuse_without_sandbox()
    for name in recipe.flags:
        if name not in CHECKS:
            raise InputError(f"flags: no check is called {name!r}; there is: {', '.join(CHECKS)}")
    if recipe.problems.columns and recipe.problems.source.startswith("gym:"):
        raise InputError(f"--map names columns of a file; {source.name} is generated and has none")
    teachers.check(recipe.sample.teacher, recipe)
    _check_sampling(recipe, first)
    answers = recipe.flow == "star" or teachers.is_student(recipe.sample.teacher)
    if answers and not teachers.is_scripted(recipe.model.student):
        resolve_model(recipe.model.student)


def _check_held_out(
    recipe: Recipe, source: ProblemSet, held_out: ProblemSet, first: Sequence[Problem]
) -> list[Problem]:
    """The held-out problems, if there are enough, and some are left to train on."""
    found = held_out.held_out(recipe.evaluate.problems)
    if len(found) < MIN_HELD_OUT:
        raise InputError(
            f"expected at least {MIN_HELD_OUT} held-out problems, {held_out.name} gives "
            f"{len(found)}; give a larger file, or a held-out set of its own with --held-out FILE"
        )
    if not apart(first, found):
        raise InputError(
            f"every problem of {source.name} is held out by {held_out.name}; "
            "give a held-out set with other questions, or leave --held-out away"
        )
    return found


def _check_sampling(recipe: Recipe, first: Sequence[Problem]) -> None:
    """What a policy or a teacher needs of the others."""
    if recipe.flow == "star" and teachers.is_archive(recipe.sample.teacher):
        raise InputError(
            f"teacher {recipe.sample.teacher} has traces that exist already and answers nothing "
            "new, round after round; use it with: factory run collect"
        )
    if recipe.sample.processes > 1 and not recipe.sample.teacher.startswith("openai:"):
        raise InputError(
            f"sample.processes = {recipe.sample.processes} is for a teacher behind an address "
            f"(openai:MODEL), got {recipe.sample.teacher}; a local engine uses all cores in one"
        )
    if recipe.budget is not None:
        left(Budget.parse(recipe.budget), Spent(), Prices.of(recipe.endpoint))
    late = {p.verifier for p in first if not deciders.needs_gold(p.verifier)}
    looks = recipe.adaptive.policy != "fixed" or recipe.adaptive.hopeless is not None
    if late and looks:
        raise InputError(
            f"adaptive.policy = {recipe.adaptive.policy!r} (or adaptive.hopeless) needs verdicts "
            f"while sampling goes on; verifier {', '.join(sorted(late))} decides afterwards; "
            "set adaptive.policy = fixed, and no adaptive.hopeless"
        )
    if recipe.adaptive.first > recipe.sample.num_samples and recipe.adaptive.policy != "fixed":
        raise InputError(
            f"adaptive.first = {recipe.adaptive.first} is more than sample.num_samples = "
            f"{recipe.sample.num_samples}; raise the one or lower the other"
        )


def _preload(recipe: Recipe) -> tuple[str, ...]:
    """What the run's child processes import: five seconds, spent once instead of by each."""
    asked = {recipe.sample.teacher, recipe.judge.teacher or recipe.sample.teacher}
    asked |= {"student"} if recipe.flow == "star" else set()
    scripted = teachers.is_scripted(recipe.model.student)
    here = any(teachers.is_local(name) and not (name == "student" and scripted) for name in asked)
    trains = recipe.flow == "star" and recipe.train.trainer == TrlTrainer.name
    return (local.PRELOAD if here else ()) + (PRELOAD if trains else ())


def _continue(
    store: Store, name: str, recipe: Recipe, seed: int, source: ProblemSet, *, planning: bool
) -> Recipe:
    """Writes run.json for a new run, or checks the recipe against the one of the run on disk."""
    on_disk = store.described()
    fingerprint = source.fingerprint()
    if on_disk is not None:
        if on_disk["seed"] != seed:
            raise InputError(
                f"run {name} was made with --seed {on_disk['seed']}, got --seed {seed}; "
                "give that seed, or start another run with --run NAME"
            )
        if on_disk["problems"] != fingerprint:
            raise InputError(
                f"the problems of {source.name} changed since run {name} was made; "
                "restore the file, or start another run with --run NAME"
            )
        begun = not on_disk.get("planned", False)
        recipe = merge(parse(on_disk["recipe"], name), recipe, name, begun=begun)
        same = flatten(recipe) == flatten(parse(on_disk["recipe"], name))
        if (begun and (same or planning)) or (same and planning):
            return recipe  # a plan changes nothing about a run that has begun
    described = _describe(name, recipe, seed, fingerprint, on_disk)
    store.write_json("run.json", {**described, "planned": True} if planning else described)
    return recipe


def _describe(
    name: str, recipe: Recipe, seed: int, fingerprint: str, before: dict[str, Any] | None
) -> dict[str, Any]:
    versions = {"rsfactory": __version__, "python": platform.python_version()}
    for package in RECORDED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    created = before["created"] if before else time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return {
        "run": name,
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "problems": fingerprint,
        "versions": versions,
        "created": created,
    }


def _disk_needed(recipe: Recipe) -> int:
    """Bytes: rows, and where there is training four checkpoints of the embedded model's size.

    Before each training its own need is checked again, by the weights that are there.
    """
    rows = 50_000_000
    trains = recipe.flow == "star" and recipe.train.trainer != "dry-run"
    return rows + 4 * 540_000_000 if trains else rows
