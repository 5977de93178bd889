"""What tests of programs do on a machine without a sandbox, and with a broken one."""

import pytest

from filters.sandbox.host import SandboxBroke, SandboxMissing
from rsfactory.errors import FactoryError
from tests.filters import sandbox_here


@pytest.mark.parametrize(
    ("error", "ends"), [(SandboxMissing, pytest.skip.Exception), (SandboxBroke, SandboxBroke)]
)
def test_only_a_missing_sandbox_skips(
    monkeypatch: pytest.MonkeyPatch, error: type[FactoryError], ends: type[BaseException]
) -> None:
    class Fails:
        def __enter__(self) -> None:
            raise error("told so")

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(sandbox_here, "Sandbox", Fails)
    with pytest.raises(ends, match="told so"):
        sandbox_here.skip_without_isolation()
