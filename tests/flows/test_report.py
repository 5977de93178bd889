"""The report: one self-contained page that says what the store says, escaped."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import made_run
import pytest

from flows.plot import Line, Point, plot
from flows.report import write_report
from rsfactory.records import Gate
from rsfactory.store import ROUNDS, Store


class Page(HTMLParser):
    """Collects tags, attributes and text, and insists that every tag is closed."""

    VOID = ("meta", "line", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(store: Store) -> Page:
    place = store.folder / "report.html"
    write_report(store, place)
    return Page(place.read_text())


def test_the_page_stands_alone(tmp_path: Path) -> None:
    store = made_run.write_run(tmp_path)
    page = page_of(store)
    assert page.links == []
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert "http" not in (store.folder / "report.html").read_text()


def test_the_page_says_what_the_store_says(tmp_path: Path) -> None:
    page = page_of(made_run.write_run(tmp_path))
    assert "Held-out accuracy 0.500 → 1.000 after round 1: +0.500" in page.text
    for words in ("duplicate", "outcome", "advance", "accuracy changed by +0.500", "reward",
                  "unverifiable", "made-1", "seed 3", made_run.LAST.id,
                  "wrong_step", "of them correct", "math@1", "p99 ms", "isolation",
                  "recipe and versions\n\nname "):  # fmt: skip
        assert words in page.text
    assert page.tags.count("svg") == 2
    assert page.tags.count("circle") == 3 + 2  # base, start, round 1; correct, selected


def test_examples_are_there_and_escaped(tmp_path: Path) -> None:
    store = made_run.write_run(tmp_path)
    page = page_of(store)
    assert "0 and <0> make 0" in page.text
    assert "<0>" not in (store.folder / "report.html").read_text()
    for candidate in (made_run.SOLVED, made_run.MISSED, made_run.EXPLAINED):
        assert candidate.id in page.text


def test_a_run_without_rounds_has_a_page(tmp_path: Path) -> None:
    page = page_of(made_run.write_run(tmp_path, done=False))
    assert "No round has ended yet." in page.text
    assert page.tags.count("svg") == 1


def test_a_round_without_candidates_divides_by_nothing(tmp_path: Path) -> None:
    store = made_run.write_run(tmp_path)
    nothing = dataclasses.replace(
        made_run.report(2), sampled=0, correct=0, selected=0, gate=Gate.STOP, grpo="{}",
        rejected_by=json.dumps({}), checkpoint_id=made_run.LAST.id,
    )  # fmt: skip
    store.write(ROUNDS, 2, "report", [nothing])
    assert "stop" in page_of(store).text


def test_a_plot_puts_shares_where_they_belong() -> None:
    points = [
        Point(label="a", value=0.0),
        Point(label="b", value=1.0, low=0.5, high=1.0),
        Point(label="c", value=2.0),
    ]
    drawn = plot(["a", "b", "c"], [Line(name="n<", colour="a", points=points)], title="t")
    spots = re.findall(r'<circle class="a" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    xs, ys = [float(x) for x, _ in spots], [float(y) for _, y in spots]
    assert xs == sorted(xs)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert ys[0] > ys[1] == ys[2]  # y grows downwards; more than 1 is drawn as 1
    assert drawn.count("<path") == 1
    assert "b: 1.000 (0.500 to 1.000)" in drawn
    assert "n&lt;" in drawn


def test_many_rounds_do_not_crowd_the_axis() -> None:
    labels = [f"round {i}" for i in range(40)]
    points = [Point(label=label, value=0.5) for label in labels]
    drawn = plot(labels, [Line(name="n", colour="a", points=points)], title="t")
    assert len(re.findall(r'text-anchor="middle">round', drawn)) <= 12
