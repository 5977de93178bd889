"""``factory sandbox``: a program's end is a result, whatever it is; wrong input is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.filters.sandbox_here import needs_sandbox

Factory = Callable[..., Any]
pytestmark = needs_sandbox


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        place = tmp_path / "program.py"
        place.write_text(text, encoding="utf-8")
        return str(place)

    return write


def test_a_program_with_its_input(
    factory: Factory, program: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "input.txt").write_text("3 4")
    words = ("--stdin", str(tmp_path / "input.txt"), "--json")
    said = factory("sandbox", program("print(sum(map(int, input().split())))"), *words)
    assert said.code == 0
    assert set(said.json) == {"exit", "stdout", "stderr", "seconds", "isolation", "killed_by"}
    assert said.json["stdout"] == "7\n"
    assert said.json["isolation"] == "full"
    assert said.json["killed_by"] is None


@pytest.mark.parametrize(
    ("text", "exit", "killed_by"),
    [
        ("raise SystemExit(4)", 4, None),
        ("1 / 0", 1, None),
        ("x = (", 1, None),
        ("while True: pass", None, "cpu"),
        ("import time; time.sleep(60)", None, "wall"),
        ("import os\nos.kill(os.getpid(), 11)", -11, None),
        ("while True: print('x' * 9999)", None, "output"),
        ("a = []\nwhile True: a.append(bytes(10**6))", None, "memory"),
    ],
)
def test_a_program_that_fails_is_a_result(
    factory: Factory, program: Callable[[str], str], text: str, exit: int | None, killed_by: str
) -> None:
    limits = ("--cpu", "1", "--wall", "4", "--memory", "200")
    said = factory("sandbox", program(text), *limits, "--json")
    assert said.code == 0
    assert said.json["killed_by"] == killed_by
    assert exit is None or said.json["exit"] == exit
    assert said.json["exit"] != 0


def test_for_people(factory: Factory, program: Callable[[str], str]) -> None:
    said = factory("sandbox", program("print('out')\n1 / 0"))
    assert said.out == "out\n"
    assert "ZeroDivisionError" in said.err
    assert "exit 1, " in said.err
    assert "isolation full" in said.err


def test_wrong_input(factory: Factory, tmp_path: Path) -> None:
    assert factory("sandbox", str(tmp_path / "none.py")).code == 2
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'")
    said = factory("sandbox", str(tmp_path / "latin.py"), "--json")
    assert said.code == 2
    assert "UTF-8" in said.json["error"]
    (tmp_path / "empty.py").write_text("")
    assert factory("sandbox", str(tmp_path / "empty.py"), "--json").json["exit"] == 0


def test_a_machine_without_a_sandbox_refuses(
    factory: Factory,
    program: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    marker = tmp_path / "marker"
    text = f"open({str(marker)!r}, 'w').write('ran')"
    monkeypatch.setattr("filters.sandbox.bubblewrap.find", lambda: None)
    said = factory("sandbox", program(text), "--json")
    assert said.code == 1
    assert "bubblewrap" in said.json["error"]
    assert not marker.exists()
    weak = factory("sandbox", program("print(1)"), "--weak", "--json")
    assert weak.json["isolation"] == "weak"
    doctor = factory("doctor", "--json")
    found = next(c for c in doctor.json["checks"] if c["name"] == "sandbox")
    assert not found["ok"]
    assert "bubblewrap" in found["found"]


def test_the_doctor_attacks(factory: Factory) -> None:
    found = next(c for c in factory("doctor", "--json").json["checks"] if c["name"] == "sandbox")
    assert found["ok"]
    assert "0 of" in found["found"]


def test_the_attack_can_succeed() -> None:
    """Without isolation it gets out, so what it does is no dry run."""
    from filters.sandbox.attack import attack

    got_out = attack(weak=True)
    assert {"read a file outside", "see other processes"} <= set(got_out)
