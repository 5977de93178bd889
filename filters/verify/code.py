"""``code``: a program against its tests, in the sandbox (`filters.sandbox.run`).

What the tests are stands in the problem's metadata, in one of four forms:

    {"entry": "f", "check": "def check(candidate): ...", "prefix": "def f(x): ..."}    HumanEval
    {"asserts": ["assert f(1) == 2", ...], "setup": "import math"}                     MBPP
    {"entry": "f", "calls": [{"args": [1], "kwargs": {}, "result": 2}, ...]}           values
    {"stdio": [{"input": "1 2", "output": "3"}, ...]}                                 its output

Every test must pass; `Verdict.share` says which share did, `Verdict.results` how each went.
Expected values never enter the process of the program: calls are answered with data, and the
comparison is elsewhere. Printed output is compared word by word: white space does not count.

A program that goes over its CPU time, memory, processes, output or disk is WRONG. One that is still
there at the wall limit is UNVERIFIABLE: a busy machine may have kept it waiting. A sandbox that is
missing stops the work (`prepare`), one that fails makes the row UNVERIFIABLE.
``FACTORY_SANDBOX=weak`` (set by a recipe's ``sandbox = "weak"``) runs without isolation, and every
verdict says so.
Programs may import the standard library and numpy. Not covered: other packages, other languages,
problems with several right answers whose tests know only one.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from filters.sandbox.host import SandboxBroke
from filters.sandbox.inside.tests import PASSED
from filters.sandbox.limits import Limits
from filters.sandbox.run import Sandbox, Tested, Tests
from filters.verify import programs
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

SANDBOX = "FACTORY_SANDBOX"
"""Environment variable that a recipe's ``sandbox`` travels in, to every process of a run."""
TOTAL = 40.0
"""Wall seconds after which no further test of a program is started."""
NOT_RUN = "not run"


@contextmanager
def sandboxed(mode: str) -> Iterator[None]:
    """Says for this process and all it starts which sandbox programs get: ``full``, ``weak``."""
    before = os.environ.get(SANDBOX)
    os.environ[SANDBOX] = mode
    try:
        yield
    finally:
        os.environ.pop(SANDBOX)
        if before is not None:
            os.environ[SANDBOX] = before


class BadTests(ValueError):
    """The problem's metadata has no tests that can be run; the message says what is missing."""


class CodeVerifier:
    """Programs."""

    name = "code"
    version = "1"
    limit = 60.0
    """Wall seconds of one verdict, for the pool: a program has one limit of CPU time (5 s), with
    input and output one for each test, up to `TOTAL`; all is longer on a machine in use."""

    def __init__(self, limits: Limits | None = None) -> None:
        """``limits``: of each program, or of each test with input and output."""
        self._limits = limits or Limits()
        self._sandbox: Sandbox | None = None

    def prepare(self) -> None:
        """Starts the sandbox and runs a program, so that no row's time pays for it.

        Raises:
            SandboxMissing: There is no isolation on this machine; nothing was run.
        """
        self._box().run("pass")

    def refuse_without_sandbox(self) -> None:
        """Runs a program and ends the sandbox again: what would fail later is known now.

        Raises:
            SandboxMissing: There is no isolation on this machine; nothing was run.
        """
        try:
            self.prepare()
        finally:
            self.close()

    def close(self) -> None:
        """Ends the sandbox; the next verdict starts a new one."""
        box, self._sandbox = self._sandbox, None
        if box is not None:
            box.close()

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict. Runs the program: call it in a worker."""
        began = time.monotonic()
        try:
            return self._decide(read(problem), candidate, began)
        except BadTests as error:
            reason = f"the problem's tests cannot be run: {error}"[:300]
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        except SandboxBroke as error:
            reason = f"the sandbox failed: {error}"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)

    def _decide(self, asked: "Asked", candidate: Candidate, began: float) -> Verdict:
        found = programs.find(candidate.completion, asked.entry, asked.prefix)
        if found is None:
            return unanswered(self, candidate, "no program", began=began)
        if candidate.finish_reason == "length" and not found.whole:
            return unanswered(self, candidate, "the program is cut off", began=began)
        if asked.tests is not None:
            tested = self._box().test(found.text, asked.tests, self._limits)
        else:
            tested = self._exchanges(found.text, asked.pairs, began)
        return self._say(candidate, tested, found.text, began)

    def _exchanges(self, program: str, pairs: Sequence[tuple[str, str]], began: float) -> Tested:
        """Every input with its output; after a program that had to be killed no other is tried."""
        results: list[str] = []
        killed_by, seconds, cpu = None, 0.0, 0.0
        for given, expected in pairs:
            if killed_by or time.monotonic() - began > TOTAL:
                results.append(NOT_RUN)
                continue
            ran = self._box().run(program, given, self._limits)
            killed_by, seconds, cpu = ran.killed_by, seconds + ran.seconds, cpu + ran.cpu
            if ran.killed_by:
                results.append(f"over the {ran.killed_by} limit")
            elif ran.exit != 0:
                results.append(
                    shorten(ran.stderr.strip().rpartition("\n")[2]) or f"exit {ran.exit}"
                )
            else:
                results.append(PASSED if ran.stdout.split() == expected.split() else "other output")
        return Tested(
            results=results, loaded=None, killed_by=killed_by, seconds=seconds, cpu=cpu,
            isolation=self._box().isolation,
        )  # fmt: skip

    def _say(self, candidate: Candidate, tested: Tested, program: str, began: float) -> Verdict:
        count = Counter(tested.results)
        share = count[PASSED] / len(tested.results) if tested.results else 0.0
        failed = [r for r in tested.results if r not in (PASSED, NOT_RUN)]
        passed = f"{count[PASSED]} of {len(tested.results)} tests pass"
        if tested.passed:
            outcome, reason = Outcome.CORRECT, f"all {len(tested.results)} tests pass"
        elif tested.killed_by == "wall":
            outcome = Outcome.UNVERIFIABLE
            reason = f"no end within {self._limits.wall:g} s, after {tested.cpu:.1f} s of CPU"
        elif tested.killed_by:
            outcome, reason = Outcome.WRONG, f"over the {tested.killed_by} limit; {passed}"
        elif tested.results and not failed and tested.loaded is None:
            outcome = Outcome.UNVERIFIABLE
            reason = f"{passed}, but the tests together take more than {TOTAL:g} s"
        else:
            first = tested.loaded or (failed[0] if failed else "there are no tests")
            outcome, reason = Outcome.WRONG, f"{passed}; {shorten(first, 120)}"
        return verdict(
            self, candidate, outcome, reason, extracted=program, began=began,
            isolation=tested.isolation, results=tested.results, share=share,
        )  # fmt: skip

    def _box(self) -> Sandbox:
        if self._sandbox is None:
            weak = os.environ.get(SANDBOX) == "weak"
            self._sandbox = Sandbox(self._limits, weak=weak)
        return self._sandbox


@dataclass(frozen=True, slots=True)
class Asked:
    """What a problem asks of a program."""

    tests: Tests | None
    """Tests as code; None where it is asked by its input and output."""
    pairs: list[tuple[str, str]]
    """Inputs with what should be printed."""
    entry: str | None
    """The function that is asked for."""
    prefix: str
    """What the program may go on from."""


def read(problem: Problem) -> Asked:
    """What a problem's metadata asks.

    Raises:
        BadTests: It is in none of the forms; the message says what was expected and what is there.
    """
    try:
        found = json.loads(problem.metadata or "{}")
    except ValueError as error:
        raise BadTests(f"expected JSON in the problem's metadata ({error})") from error
    if not isinstance(found, dict):
        raise BadTests(f"expected a JSON object in the metadata, got {shorten(str(found), 40)}")
    entry, prefix = (str(found.get(name) or "") for name in ("entry", "prefix"))
    if "stdio" in found:
        return Asked(None, _pairs(found["stdio"]), entry or None, prefix)
    return Asked(code_of(found), [], entry or None, prefix)


def _pairs(stdio: Any) -> list[tuple[str, str]]:
    expected = 'expected a list of {"input": text, "output": text} in stdio'
    if not isinstance(stdio, list) or not stdio:
        raise BadTests(f"{expected}, got {shorten(repr(stdio), 40)}")
    for number, test in enumerate(stdio):
        if not isinstance(test, dict) or not {"input", "output"} <= set(test):
            raise BadTests(f"{expected}, got {shorten(repr(test), 40)} as test {number}")
    return [(str(test["input"]), str(test["output"])) for test in stdio]


def code_of(found: Mapping[str, Any]) -> Tests:
    """The tests of a problem's metadata as code.

    Raises:
        BadTests: There are none in a form that is known.
    """
    entry, setup = str(found.get("entry") or ""), str(found.get("setup") or "")
    if "check" in found:
        if not entry:
            raise BadTests("expected entry, the name of the function that check is given")
        setup = "\n".join([_parsed(str(found.get("prefix") or "")), setup])  # its helpers
        return Tests(source=_parsed(str(found["check"])), entry=entry, setup=_parsed(setup))
    if found.get("asserts"):
        listed = found["asserts"]
        lines = [listed] if isinstance(listed, str) else list(map(str, listed))
        return Tests(source=_parsed("\n".join(lines)), setup=_parsed(setup))
    if found.get("calls"):
        if not entry.isidentifier():
            raise BadTests("expected entry, the name of the function that is called")
        calls = [_call(entry, number, call) for number, call in enumerate(found["calls"])]
        return Tests(source="\n".join(calls))
    there = ", ".join(map(str, found)) or "nothing"
    raise BadTests(f"expected check, asserts, calls or stdio in the metadata, got {there}")


def _call(entry: str, number: int, call: Any) -> str:
    """One call with its result as an assert."""
    if not isinstance(call, dict) or not {"args", "result"} <= set(call):
        got = shorten(repr(call), 40)
        raise BadTests(f'expected {{"args": [...], "result": ...}}, got {got} as call {number}')
    values = [repr(value) for value in call["args"]]
    values += [f"{key}={value!r}" for key, value in (call.get("kwargs") or {}).items()]
    return _parsed(f"assert {entry}({', '.join(values)}) == {call['result']!r}")


def _parsed(source: str) -> str:
    """The source, if it is Python; tests that are not are our fault, not the program's."""
    source = source.replace("\r\n", "\n")
    try:
        compile(source, "tests", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadTests(f"the tests are not Python: {error}") from error
    return source
