"""What documents and help tell people to type is understood: commands, flags, settings, budgets.

Nothing is run: words are parsed, and recipes are loaded with the settings that the flags make.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

from flows.commands import COMMANDS, cli
from flows.commands.run import settings_of
from generators.teachers import DESCRIBED
from rsfactory.budget import Budget, Prices, Spent, left
from rsfactory.recipe import load, parse_setting

ROOT = Path(__file__).parents[1]
CONTEXT = click.Context(cli)
PAGES = {
    page.name: page.read_text() for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
}
HELP = {name: (cli.get_command(CONTEXT, name) or cli).epilog or "" for name in COMMANDS}


def typed(text: str) -> list[str]:
    """Lines of a page or of a command's help that run the program, without its name."""
    whole = re.sub(r"\s+# .*", "", re.sub(r"\\\n\s*", " ", text))
    form = r"^(?: {4})?(?:Example: )?(?:\w+=\S+ |pip .* && )?factory (\w[^\n]*)"
    return [line for line in re.findall(form, whole, re.MULTILINE) if line.split()[0] in COMMANDS]


LINES = [
    pytest.param(line, id=f"{place}: {line}")
    for place, text in {**PAGES, **HELP}.items()
    for line in typed(text)
]
SETTINGS = {
    said
    for text in PAGES.values()
    for said in re.findall(r"""--set ((?:[^\s`'"]|'[^']*'|"[^"]*")+)""", text)
} - {"section.key=value"}


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *words = shlex.split(line)
    monkeypatch.chdir(tmp_path)
    for file in ("program.py", "input.txt"):  # has to be there to be a valid word
        Path(file).touch()
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    with command.make_context(name, words) as context:
        given = context.params
    if name not in ("run", "plan") or given["recipe"].endswith(".toml"):
        return
    settings = settings_of(given["recipe"], given, given["columns"], given["changes"])
    recipe = load(given["recipe"], settings)
    assert recipe.sample.teacher.partition(":")[0] in {n.partition(":")[0] for n in DESCRIBED}
    if recipe.budget:
        left(Budget.parse(recipe.budget), Spent(), Prices.of(recipe.endpoint))


@pytest.mark.parametrize("text", sorted(SETTINGS))
def test_a_setting_is_one(text: str) -> None:
    key, value = parse_setting(shlex.split(text)[0])
    load("collect", {key.replace("NAME", "wrong_step"): value})


def test_the_recipe_of_the_page_can_be_run(tmp_path: Path) -> None:
    [block] = re.findall(r'^ {4}name = "mine"\n(?: {4}.*\n|\n)+', PAGES["collect.md"], re.MULTILINE)
    place = tmp_path / "mine.toml"
    place.write_text(re.sub(r"^ {4}", "", block, flags=re.MULTILINE))
    recipe = load(str(place))
    assert (recipe.flow, recipe.rounds, recipe.problems.columns["answer"]) == (
        "collect", 1, "Target",
    )  # fmt: skip
