"""`factory ask` and `factory doctor`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_run

from rsfactory.store import Store

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""


def test_ask_needs_a_checkpoint_on_disk(factory: Factory, store: Store) -> None:
    assert "no checkpoint on disk" in factory("ask", "made-1", "1+1?").err
    assert "config.json" in factory("ask", "nothing", "1+1?").err


def test_ask_streams_from_the_newest_checkpoint(
    factory: Factory, store: Store, tiny_model: Path
) -> None:
    (store.folder / "checkpoints").mkdir(exist_ok=True)
    (store.folder / made_run.START.path).symlink_to(tiny_model)
    plain = factory("ask", "made-1", "1+1?", "--max-tokens", "4")
    assert plain.code == 0
    said = factory("ask", "made-1", "1+1?", "--max-tokens", "4", "--json").json
    assert said["answer"] + "\n" == plain.out
    assert said["checkpoint"].endswith("cold_start")


def test_doctor(factory: Factory, data: Path) -> None:
    said = factory("doctor", "--json")
    checks = {check["name"]: check for check in said.json["checks"]}
    assert all(set(check) == {"name", "ok", "found", "advice"} for check in checks.values())
    assert {"python", "disk", "memory", "cores", "gpu", "embedded model", "prefect"} <= set(checks)
    failed = [check for check in checks.values() if not check["ok"]]
    assert all(check["advice"] for check in failed)
    assert not data.exists()
    assert "python" in factory("doctor").out


def test_doctor_compares_versions() -> None:
    from flows.commands.doctor import package, packages

    old = package("click<1")
    assert old is not None
    assert not old.ok
    assert old.advice == "pip install 'click<1'"
    missing = package("no-such-package-here>=2")
    assert missing is not None
    assert missing.found == "missing"
    fine = package("click>=8")
    assert fine is not None
    assert fine.ok
    assert package('click<1; extra == "gpu"') is None
    assert [f.name for f in packages("no-such-distribution")] == ["packages"]
