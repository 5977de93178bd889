"""Running programs in the sandbox: one with its input, or functions with the tests they must pass.

    with Sandbox() as sandbox:
        sandbox.run("print(input())", stdin="7")                 # a `Ran`
        sandbox.test("def f(x): return x + 1", Tests("assert f(1) == 2"))    # a `Tested`

A program and its tests are in two different sandboxes; see `inside.tests` for what may pass between
them. Fails closed: where isolation is missing `SandboxMissing` is raised and nothing runs.
"""

import dataclasses
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from filters.sandbox import plain
from filters.sandbox.host import GRACE, Cell, Interpreter, SandboxBroke, pump, sealed
from filters.sandbox.inside.tests import ENDED, Program, ProgramEnded
from filters.sandbox.limits import Limits, Ran

NAME = "program.py"
"""What a program's file is called in tracebacks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tests:
    """Tests as code: statements with asserts."""

    __test__: ClassVar[bool] = False  # pytest would take it for a test by its name
    source: str
    entry: str | None = None
    """The function that ``check(candidate)`` in the source is given; None: called by name."""
    setup: str = ""
    """Statements before them."""
    method: str | None = None
    """A function that the source calls, which may also be a method of a class ``Solution``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tested:
    """How tests went."""

    __test__: ClassVar[bool] = False
    results: list[str]
    """Of each test: ``passed``, or what happened instead."""
    loaded: str | None
    """What the program raised while it was loaded; None where it was loaded."""
    killed_by: str | None
    """The limit the program went over, if any."""
    seconds: float
    cpu: float
    isolation: str

    @property
    def passed(self) -> bool:
        """Whether there are tests and all of them passed."""
        return bool(self.results) and all(r == "passed" for r in self.results)


class Sandbox:
    """Two warm interpreters: one for programs, one for tests. Not for two threads at once."""

    def __init__(self, limits: Limits | None = None, *, weak: bool = False) -> None:
        """Nothing is started yet.

        Args:
            limits: Of each program.
            weak: Without isolation, at the caller's own risk (`inside.cell` says what is missing).
        """
        self.limits = limits or Limits()
        self._weak = weak
        self._programs = Interpreter(weak=weak)
        self._tests = Interpreter(for_tests=True, weak=weak)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def isolation(self) -> str:
        """``full`` or ``weak``."""
        return self._programs.isolation

    def close(self) -> None:
        """Ends both interpreters. Safe to call twice; the next program starts new ones."""
        self._programs.close()
        self._tests.close()

    def run(self, source: str, stdin: str = "", limits: Limits | None = None) -> Ran:
        """Runs a program to its end.

        Raises:
            SandboxMissing: There is no isolation on this machine.
            SandboxBroke: The sandbox failed.
        """
        bounds = limits or self.limits
        given = sealed(stdin.encode("utf-8", "replace"))
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        with self._folder() as folder:
            job = {"role": "program", "source": source, "name": NAME}
            try:
                files = {"stdin": given, "stdout": out_end, "stderr": err_end}
                cell = self._programs.spawn(job, files, dataclasses.asdict(bounds), folder)
            except BaseException:
                os.close(out)
                os.close(err)
                raise
            finally:
                for descriptor in (given, out_end, err_end):
                    os.close(descriptor)
            texts, flooded = pump(cell, {"stdout": out, "stderr": err}, bounds.output)
            found = cell.result()
        return Ran(
            exit=found["exit"], seconds=found["seconds"], cpu=found["cpu"],
            stdout=texts["stdout"].decode("utf-8", "replace"),
            stderr=texts["stderr"].decode("utf-8", "replace"),
            isolation=self.isolation, killed_by="output" if flooded else found["killed_by"],
        )  # fmt: skip

    def test(self, source: str, tests: Tests, limits: Limits | None = None) -> Tested:
        """Runs tests against a program.

        Raises:
            SandboxMissing: There is no isolation on this machine.
            SandboxBroke: The sandbox failed, or the tests went over a limit themselves.
        """
        bounds = dataclasses.asdict(limits or self.limits)
        asserts = plain.read(tests.source, tests.entry, tests.setup)
        if asserts is not None:
            with suppress(plain.NotPlain):
                return self._walked(source, tests.entry or tests.method, asserts, bounds)
        return self._executed(source, tests, bounds)

    def _walked(
        self, source: str, entry: str | None, asserts: plain.Asserts, bounds: dict[str, Any]
    ) -> Tested:
        """Judges plain asserts here; the program is in its cell."""
        with self._functions(source, entry, bounds) as (cell, peer):
            peer.settimeout(bounds["wall"] + GRACE)
            try:
                program = Program(peer)
                loaded = None if program.loaded else program.why()
                results = plain.results_of(asserts, program) if program.loaded else []
            except ProgramEnded:
                loaded, results = ENDED, []
            return self._tested({"loaded": loaded, "results": results}, cell)

    def _executed(self, source: str, tests: Tests, bounds: dict[str, Any]) -> Tested:
        """Runs tests in the other interpreter."""
        with self._functions(source, tests.entry or tests.method, bounds) as (cell, peer):
            nothing = os.open(os.devnull, os.O_RDWR)
            try:
                files = {"stdin": nothing, "stdout": nothing, "stderr": nothing}
                files["peer"] = peer.fileno()
                job = {"role": "tests", **dataclasses.asdict(tests)}
                asking = self._tests.spawn(job, files, bounds)
            finally:
                os.close(nothing)
                peer.close()
            began = time.monotonic()
            try:
                return self._tested(asking.result(), cell)
            except SandboxBroke:
                if time.monotonic() - began < bounds["cpu"]:
                    raise
                late = ["the tests ran out of time with what the program returned"]
                return self._tested({"loaded": None, "results": late}, cell)

    @contextmanager
    def _functions(
        self, source: str, entry: str | None, bounds: dict[str, Any]
    ) -> Iterator[tuple[Cell, socket.socket]]:
        """A program that answers calls, and the end of a socket to ask it by."""
        with self._folder() as folder:
            theirs, ours = socket.socketpair()
            nothing = os.open(os.devnull, os.O_RDWR)
            try:
                files = {"stdin": nothing, "stdout": nothing, "stderr": nothing}
                files["peer"] = theirs.fileno()
                job = {"role": "functions", "source": source, "name": NAME, "entry": entry}
                cell = self._programs.spawn(job, files, bounds, folder)
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
                os.close(nothing)
            try:
                yield cell, ours
            finally:
                ours.close()
                cell.discard()

    def _tested(self, report: dict[str, Any], cell: Cell) -> Tested:
        """What the tests say, with what became of the program; everything of it is dead then."""
        cell.stop()
        found = cell.result()
        return Tested(
            results=[str(result) for result in report["results"]], loaded=report["loaded"],
            killed_by=None if found["killed_by"] == "host" else found["killed_by"],
            seconds=found["seconds"], cpu=found["cpu"], isolation=self.isolation,
        )  # fmt: skip

    @contextmanager
    def _folder(self) -> Iterator[str | None]:
        """A folder to work in, where the program does not get its own ``/tmp``."""
        if not self._weak:
            yield None
            return
        folder = tempfile.mkdtemp(prefix="sandbox-")
        try:
            yield folder
        finally:
            with suppress(OSError):
                shutil.rmtree(folder)
