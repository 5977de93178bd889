import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.traces.tags import Split, split

CASES = [
    # text, what is said, reasoning, cut
    ("plain", "plain", None, False),
    ("<think>a</think>b", "b", "a", False),
    (" \n<THINK>\na\n</THINK>\n\nb\n", "b", "a", False),
    ("<reasoning>a</reasoning><answer>b</answer>", "<answer>b</answer>", "a", False),
    ("a\n</think>\nb", "b", "a", False),
    ("<think></think>b", "b", "", False),
    ("<think>a</think>", "", "a", False),
    ("<think>a", "", "a", True),
    ("Sure. <think>a</think>b", "Sure. <think>a</think>b", None, False),
    ("<think>a</think>one </think> two", "one </think> two", "a", False),
    ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b<|end_of_solution|>",
     "b", "a", False),
    ("<|begin_of_thought|>a<|end_of_thought|>b", "b", "a", False),
    ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b", "b", "a", True),
    ("<|begin_of_thought|>a", "", "a", True),
    ("<|begin_of_solution|>b<|end_of_solution|> c", "b\nc", None, False),
    ("```python\nx\n```", "```python\nx\n```", None, False),
    ("```python\nx", "```python\nx", None, True),
    ("<think>```\nx</think>b", "b", "```\nx", False),
    ("", "", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said", "reasoning", "cut"), CASES)
def test_parts_of_a_text(text: str, said: str, reasoning: str | None, cut: bool) -> None:
    assert split(text) == Split(said, reasoning, cut)


PARTS = st.sampled_from([
    "<think>", "</think>", "<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_solution|>",
    "<|end_of_solution|>", "```", "\n", "a", " b ",
])  # fmt: skip


@given(st.lists(PARTS).map("".join) | st.text())
def test_nothing_is_lost_but_tags_and_white_space(text: str) -> None:
    parts = split(text)
    kept = set(parts.text + (parts.reasoning or ""))
    assert set("ab") & set(text) <= kept | set("think|begin_of_thought|end_of_solution|")
    assert len(parts.text) + len(parts.reasoning or "") <= len(text) + 1
