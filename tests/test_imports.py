"""Imports point one way, and heavy libraries are loaded only where they are used."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("generators", "filters", "trainers")
ALLOWED = {
    "rsfactory": {"rsfactory", "flows.recipes"},
    **{part: {part, "rsfactory"} for part in PARTS},
    "flows": {"flows", "rsfactory", *PARTS},
}
HEAVY = {
    "torch", "transformers", "trl", "vllm", "math_verify", "ray", "prefect", "datasets",
    "reasoning_gym", "accelerate", "duckdb", "openai", "rich", "safetensors", "gguf",
    "latex2sympy2_extended", "sympy",
}  # fmt: skip
CHILD_ONLY = {
    "generators.teachers.decoders", "generators.teachers.local_engine",
}  # fmt: skip
"""What only a child process loads: it may begin with torch, and nobody begins with it."""
FILES = [path for folder in ALLOWED for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module a file imports, and whether that happens when the file itself is imported."""
    tree = ast.parse(path.read_text())
    early = {id(node) for node in at_start(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in early
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or "", id(node) in early


def at_start(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: not in functions, not for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from at_start(node)


def ours(module: str) -> bool:
    return module.partition(".")[0] in ALLOWED


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_what_it_may(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    itself = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for module, starts in imports(path):
        top = module.partition(".")[0]
        assert top not in ("data", "factory", "tests"), f"{path} imports {module}"
        if ours(module):
            assert {top, module} & ALLOWED[folder], f"{path} imports {module}"
        if top == "prefect":
            assert folder == "flows", f"{path} imports prefect"
        if starts and itself not in CHILD_ONLY:
            assert module not in CHILD_ONLY, f"{path} imports {module} when it is loaded"
            assert top not in HEAVY, f"{path} imports {module} when it is loaded"


def test_the_walk_sees_what_it_should(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(
        "import torch.nn\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import duckdb\n"
        "class A:\n    import trl\n    def f(self):\n        from filters import select\n"
        "try:\n    import ray\nexcept ImportError:\n    pass\n"
    )
    assert dict(imports(file)) == {
        "torch.nn": True, "typing": True, "duckdb": False, "trl": True, "filters": False,
        "ray": True,
    }  # fmt: skip
    assert len(FILES) > 20


SLOW = ("polars", "torch", "transformers", "prefect", "duckdb", "pydantic", "rich", "numpy")


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys\nfrom flows.commands import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Examples:" in done.stdout
    loaded = ast.literal_eval(done.stderr)
    assert "click" in loaded
    assert set(loaded) & set(SLOW) == set()


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for folder in ALLOWED
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert there | {"flows.recipes"} == set(listed)
