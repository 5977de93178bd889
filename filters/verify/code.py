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
from collections.abc import Mapping
from typing import Any

from filters.sandbox.host import SandboxBroke
from filters.sandbox.limits import Limits
from filters.sandbox.run import Sandbox, Tested, Tests
from filters.verify import programs
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

SANDBOX = "FACTORY_SANDBOX"
"""Environment variable that a recipe's ``sandbox`` travels in, to every process of a run."""
TOTAL = 40.0
"""Wall seconds after which no further test of a program is started."""
PASSED = "passed"


class BadTests(ValueError):
    """The problem's metadata has no tests that can be run; the message says what is missing."""


class CodeVerifier:
    """Programs."""

    name = "code"
    version = "1"
    limit = 60.0
    """Wall seconds of one verdict; the sandbox's own limits are tighter."""

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
            tests = json.loads(problem.metadata or "{}")
            if not isinstance(tests, Mapping):
                raise BadTests("expected a JSON object")
            return self._judge(tests, candidate, began)
        except (BadTests, ValueError, KeyError, TypeError) as error:
            reason = f"the problem's tests cannot be run: {error}"[:300]
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        except SandboxBroke as error:
            reason = f"the sandbox failed: {error}"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)

    def _judge(self, tests: Mapping[str, Any], candidate: Candidate, began: float) -> Verdict:
        entry = tests.get("entry")
        stdio = tests.get("stdio")
        judged = None if stdio is not None else code_of(tests)
        found = programs.find(candidate.completion, entry, str(tests.get("prefix") or ""))
        if found is None:
            return unanswered(self, candidate, "no program", began=began)
        if candidate.finish_reason == "length" and not found.whole:
            return unanswered(self, candidate, "the program is cut off", began=began)
        if judged is not None:
            tested = self._box().test(found.text, judged, self._limits)
        else:
            tested = self._exchanges(found.text, stdio, began)
        return self._say(candidate, tested, found.text, began)

    def _exchanges(self, program: str, stdio: Any, began: float) -> Tested:
        """Every input with its output; after a program that had to be killed no other is tried."""
        if not isinstance(stdio, list) or not stdio:
            raise BadTests("stdio is not a list of {input, output}")
        pairs = [(str(test["input"]), str(test["output"])) for test in stdio]
        results: list[str] = []
        killed_by, seconds, cpu = None, 0.0, 0.0
        for given, expected in pairs:
            if killed_by or time.monotonic() - began > TOTAL:
                results.append("not run")
                killed_by = killed_by or "wall"
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
        good = sum(result == PASSED for result in tested.results)
        share = good / len(tested.results) if tested.results else 0.0
        failed = [r for r in tested.results if r != PASSED]
        first = tested.loaded or (failed[0] if failed else "no tests")
        if tested.passed:
            outcome, reason = Outcome.CORRECT, f"all {good} tests pass"
        elif tested.killed_by == "wall":
            outcome = Outcome.UNVERIFIABLE
            reason = f"no end within the wall limit, after {tested.cpu:.1f} s of CPU"
        elif tested.killed_by:
            outcome, reason = Outcome.WRONG, f"over the {tested.killed_by} limit"
        else:
            outcome = Outcome.WRONG
            reason = f"{good} of {len(tested.results)} tests pass; {shorten(first, 120)}"
        return verdict(
            self, candidate, outcome, reason, extracted=program, began=began,
            isolation=tested.isolation, results=tested.results, share=share,
        )  # fmt: skip

    def _box(self) -> Sandbox:
        if self._sandbox is None:
            weak = os.environ.get(SANDBOX) == "weak"
            self._sandbox = Sandbox(self._limits, weak=weak)
        return self._sandbox


def code_of(tests: Mapping[str, Any]) -> Tests:
    """The tests as code.

    Raises:
        BadTests: There are none in a form that is known.
    """
    entry, setup = tests.get("entry"), str(tests.get("setup") or "")
    if "check" in tests:
        if not entry:
            raise BadTests("check without the entry it is given")
        setup = "\n".join([_parsed(str(tests.get("prefix") or "")), setup])  # its helpers
        return Tests(source=_parsed(str(tests["check"])), entry=str(entry), setup=_parsed(setup))
    if tests.get("asserts"):
        return Tests(source=_parsed("\n".join(map(str, tests["asserts"]))), setup=_parsed(setup))
    if tests.get("calls"):
        return Tests(source="\n".join(_call(str(entry), call) for call in tests["calls"]))
    raise BadTests("expected check, asserts, calls or stdio in the problem's metadata")


def _call(entry: str, call: Mapping[str, Any]) -> str:
    """One call with its result as an assert."""
    if not entry.isidentifier():
        raise BadTests("calls without the entry that is called")
    named = "".join(f", {key}={value!r}" for key, value in (call.get("kwargs") or {}).items())
    values = ", ".join(repr(value) for value in call["args"])
    return f"assert {entry}({values}{named}) == {call['result']!r}".replace("(, ", "(")


def _parsed(source: str) -> str:
    """The source, if it is Python; tests that are not are our fault, not the program's."""
    source = source.replace("\r\n", "\n")
    try:
        compile(source, "tests", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadTests(f"the tests are not Python: {error}") from error
    return source
