r"""Where a completion says what its final answer is.

Read from the visible text only: what stands inside ``<think>`` is not an answer. A claim is strong
(``\boxed{}``, ``<answer>``, ``####``) or weak (``the answer is x``, ``Answer: x``, a line
``A: x``); weak ones count only where there is no strong one, or where "the final answer is x"
stands behind it. The last claim decides. Rules that cost an answer on purpose:

- A last box or tag that is never closed, or is empty, is not an answer, and an earlier one is not
  taken in its place: the text went on to claim something else.
- Boxes joined by a comma, "and" or "or", and boxes side by side, are one answer with several
  values, so naming two values is not the same as naming the right one.
- Text that runs on after the answer does not undo it, unless it takes it back at once
  (`filters.verify.turns`); a later claim replaces it. Three or more boxes one a line are a list.
- A weak claim or ``####`` that ends where a completion was cut off may lack digits: ``open_end``.

All work is linear in the text, without recursion, and safe on hostile text. Not covered: claims in
other languages, weak claims more than 20,000 characters before the end.
"""

import re
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass

from filters.verify.turns import REACH, turn

WEAK_REACH = 20_000
"""Characters before the end in which weak claims are looked for."""
MOST_CLAIMS = 100
"""Claims looked at, counted from the end."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_TAG_END = re.compile(r"</answer>", re.IGNORECASE)
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n#]*)")
_BEHIND_BOX = re.compile(
    r"\$?\s*(?:\\[)\]]\s*)?"
    r"(\\?%|(?:percent|per cent|pct|hundred|thousand|million|billion)\b)",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"\banswer\b[*_]{0,3}"
    r"(?:\s(?:to|of|for|in)\s[^.:\n]{1,80}?)?"
    r"\s{0,5}(?::|=|\b(?:is|are|was|be|becomes|equals)\b\s{0,5}:?)[*_]{0,3}[ \t]*",
    re.IGNORECASE,
)
_FINAL = re.compile(r"(?:final|Final|FINAL) (?:answer|Answer|ANSWER) (?:is|IS)\b")
_ANSWER = re.compile("answer|Answer|ANSWER")
_LEAD = re.compile(r"[^\w\n]{0,8}(?:final\s)?", re.IGNORECASE)
_LABEL = re.compile(
    r"answer\b[*_]{0,3}[ \t]{0,3}(?=\$\$|\\\[|\$[^$\n]{1,200}\$|\\\([^\n]{1,200}?\\\))",
    re.IGNORECASE,
)
_SHORT = re.compile(r"^[ \t]*A:[ \t]*(?=\S)", re.MULTILINE)
_SENTENCE_END = re.compile(
    r"(?:[.;?]|(?<!\d)!)(?=\s|$)|\n|,?\s(?:because|since|which|so|where|but|as)\s|,\s(?=[a-z]{2})"
)
_NO_VALUE = re.compile(
    r"\W*(?:not|never|unknown|unclear|clear|correct|incorrect|right|wrong|below|above|here"
    r"|as follows|the following|given|in the|one of|based on|found|obtained|probably not)\b",
    re.IGNORECASE,
)
_MATH = re.compile(
    r"\s*(?:\$\$(?P<a>(?:\\.|[^$\\])+)\$\$|\$(?P<b>(?:\\.|[^$\\\n])+)\$"
    r"|\\\((?P<c>.+?)\\\)|\\\[(?P<d>.+?)\\\])",
    re.DOTALL,
)
_NO_WORD = re.compile(r"\\q?quad|\\[;,!()\[\] ]|\\text|[{}$]")
_JOINT = re.compile(
    r"(?:,|(?:[a-z]{2,15})?,? ?\b(?:and|or)\b)(?: ?[A-Za-z] ?(?:_ ?\w{1,3}|\( ?[a-z] ?\))? ?=)?"
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")

_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_LISTED = re.compile(r"[\s$.)*-]*\n[\s$(*-]*(?:\d{1,2}[.)]\s*)?[\s$(*-]*")


@dataclass(frozen=True, slots=True)
class Claim:
    """One place where a completion states its answer."""

    text: str | None
    """The answer as written, without what marks it; None where the mark is never closed."""
    start: int
    """Where the claim begins in the visible text."""
    end: int
    """Where it ends."""
    open_end: bool
    """Nothing closes it and the text ends with it: more might have followed."""


def visible(completion: str) -> str:
    """The completion without its thinking (``<think>`` and its kin).

    A block that is never closed hides the rest. Some chat templates open the block themselves, so
    everything before a lone ``</think>`` is thinking too.
    """
    if "<" not in completion:
        return completion
    ends = [found.end() for found in _THOUGHT.finditer(completion) if found[1]]
    text = completion[ends[-1] if ends else 0 :]
    begin = _THOUGHT.search(text)
    return text[: begin.start()] if begin else text


def final_claim(text: str, *, short_label: bool = True) -> Claim | None:
    """The claim that decides, or None. ``text`` is visible text.

    Args:
        text: What `visible` returns.
        short_label: Whether a line ``A: x`` claims an answer (in multiple choice it does not).
    """
    strong = strong_claims(text)
    last = strong[-1] if strong else _last_weak(text, 0, short_label)
    if last is None or last.text is None:
        return last
    if strong and _FINAL.search(text, last.end):
        return _last_weak(text, last.end, False, _FINAL) or last
    return _after(text, last)


def _after(text: str, last: Claim) -> Claim:
    """The claim, or what the text turns to right behind it (`filters.verify.turns`)."""
    found = turn(text[last.end : last.end + REACH])
    if found is None:
        return last
    end = last.end + found.end
    if found.kind == "also":
        return Claim(f"{last.text}, {found.value}", last.start, end, False)
    if found.kind == "instead":
        return Claim(found.value, last.start, end, False)
    denied = Claim(None, last.start, end, False) if found.denied else last
    return _last_weak(text, end, False) or denied


def first_claim(text: str) -> Claim | None:
    """The earliest place that states an answer, strong or weak, among the claims looked at."""
    claims = [*strong_claims(text), *weak_claims(text)]
    return min(claims, key=lambda claim: claim.start, default=None)


def strong_claims(text: str) -> list[Claim]:
    """Boxes, answer tags and ``####`` lines in order; joined boxes are one claim."""
    claims = [*_boxes(text), *_tags(text), *_hashes(text)]
    claims.sort(key=lambda claim: claim.start)
    return claims[-MOST_CLAIMS:]


def weak_claims(text: str, *, short_label: bool = True) -> list[Claim]:
    """``the answer is x``, ``Answer: x`` and lines ``A: x``, in order."""
    offset, heads = _weak_heads(text, 0, short_label)
    claims = [_weak(text[offset:], start, end, offset) for start, end in heads]
    return [claim for claim in claims if claim is not None]


def _last_weak(
    text: str, since: int, short_label: bool, wanted: re.Pattern[str] | None = None
) -> Claim | None:
    """The last weak claim that begins at ``since`` or later, with ``wanted`` around its head."""
    offset, heads = _weak_heads(text, since, short_label)
    tail = text[offset:]
    for start, end in reversed(heads):
        if wanted is not None and not wanted.search(tail, max(0, start - 10), end):
            continue
        if (claim := _weak(tail, start, end, offset)) is not None:
            return claim
    return None


def _weak_heads(text: str, since: int, short_label: bool) -> tuple[int, list[tuple[int, int]]]:
    """Where the reach of weak claims begins, and in it where their heads begin and end."""
    offset = max(since, len(text) - WEAK_REACH)
    tail = text[offset:]
    heads = []
    for word in _ANSWER.finditer(tail):
        if head := _PHRASE.match(tail, word.start()) or _label(tail, word.start()):
            heads.append(head.span())
    if short_label and "A:" in tail:
        heads = sorted([*heads, *(head.span() for head in _SHORT.finditer(tail))])
    return offset, heads[-MOST_CLAIMS:]


def _label(tail: str, at: int) -> re.Match[str] | None:
    """``Answer`` at the start of a line, right before mathematics."""
    begin = tail.rfind("\n", max(0, at - 20), at) + 1
    lead = tail[begin:at] if begin or at <= 20 else "too far"
    return _LABEL.match(tail, at) if _LEAD.fullmatch(lead) else None


def unwrap(text: str) -> str:
    r"""An answer's text without its decoration, ``\text{}`` included."""
    return undecorate(_TEXT.sub(r" \1 ", text))


def undecorate(text: str) -> str:
    """An answer without math delimiters, bold, quotes and a full stop around it."""
    if text.isalnum():
        return text
    for _ in range(4):
        before = text
        text = _unquoted(text.strip().strip('`"').strip())
        text = text.removeprefix("**").removesuffix("**").strip()
        if len(text) > 1 and text[-1] in ".,;" and text[-2] not in "\\.":
            text = text[:-1]
        for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            inner = text[len(left) : -len(right)]
            if text.startswith(left) and text.endswith(right) and inner and left not in inner:
                text = inner
        if text == before:
            break
    return text


def _unquoted(text: str) -> str:
    """A text without a sign that stands on both sides of it; ``x'`` and ``5*`` keep theirs."""
    while len(text) > 2 and text[0] == text[-1] and text[0] in "*_'":
        text = text[1:-1]
    return text


def _boxes(text: str) -> list[Claim]:
    """The last boxes of a text, each run of joined ones as one claim."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return []
    heads = list(_BOX.finditer(text))[-MOST_CLAIMS:]
    ends = _closing(text, [head.end() - 1 for head in heads]) if heads else {}
    claims: list[Claim] = []
    for head in heads:
        if claims and claims[-1].text is not None and head.start() < claims[-1].end:
            continue  # inside the box before
        end = ends.get(head.end() - 1)
        if end is None:
            claims.append(Claim(None, head.start(), len(text), True))
            continue
        inner = text[head.end() : end].strip()
        behind = _BEHIND_BOX.match(text, end + 1)
        if behind and inner:
            inner = f"{inner} {behind[1]}"
        before = claims[-1] if claims else None
        if before and before.text and inner and _joins(text[before.end : head.start()]):
            claims[-1] = Claim(f"{before.text}, {inner}", before.start, end + 1, False)
        else:
            claims.append(Claim(inner or None, head.start(), end + 1, False))
    return _listed(text, claims)


def _listed(text: str, claims: list[Claim]) -> list[Claim]:
    """The claims, with three or more boxes that end them, one a line, as one of all values."""
    first = len(claims) - 1
    while first > 0 and _LISTED.fullmatch(text[claims[first - 1].end : claims[first].start][:40]):
        first -= 1
    values = [claim.text for claim in claims[first:]]
    if len(values) < 3 or None in values or len(set(values)) == 1:
        return claims
    joined = ", ".join(value for value in values if value)
    return [*claims[:first], Claim(joined, claims[first].start, claims[-1].end, False)]


def _closing(text: str, wanted: Collection[int]) -> dict[int, int]:
    """Index of each wanted opening brace -> index of the one that closes it, if any does."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    left = set(wanted)
    for found in _BRACE.finditer(text, min(left)):
        if found[0] == "{":
            opened.append(found.start())
        elif found[0] == "}" and opened:
            brace = opened.pop()
            if brace in left:
                ends[brace] = found.start()
                left.remove(brace)
                if not left:
                    break
    return ends


def _joins(between: str) -> bool:
    """Whether what stands between two boxes joins them into one answer.

    ``and``, ``or``, a comma, perhaps with what was counted before it and a name behind it
    (``papers and``, ``, y =``); boxes side by side on one line are joined too.
    """
    if len(between) > 60 or "." in between:
        return False
    bare = " ".join(_NO_WORD.sub(" ", between).split())
    return _JOINT.fullmatch(bare) is not None if bare else "\n" not in between


def _tags(text: str) -> list[Claim]:
    """The last answer tags; one that is never closed claims nothing."""
    heads = list(_TAG.finditer(text))[-MOST_CLAIMS:] if "<" in text else []
    tails = [tail.span() for tail in _TAG_END.finditer(text, heads[0].end())] if heads else []
    claims = []
    for head in heads:
        at = bisect_left(tails, (head.end(), 0))
        if at == len(tails):
            claims.append(Claim(None, head.start(), len(text), True))
        else:
            inner = text[head.end() : tails[at][0]].strip()
            claims.append(Claim(inner or None, head.start(), tails[at][1], False))
    return claims


def _hashes(text: str) -> list[Claim]:
    """``#### x``; one that is followed by more lines counts only if it looks like a value.

    (``#### Step 1`` is a heading.)
    """
    if "####" not in text:
        return []
    claims = []
    written = len(text.rstrip())
    for head in list(_HASH.finditer(text))[-MOST_CLAIMS:]:
        value = head[1].strip()
        last = head.end() >= written
        if value and (last or re.match(r"[-+$€£(]{0,3}[\d.\\]", value)):
            claims.append(Claim(value, head.start(), head.end(), head.end() == len(text)))
    return claims


def _weak(tail: str, start: int, at: int, offset: int) -> Claim | None:
    """The claim whose value begins at ``at`` (or on the next line with something on it)."""
    while at < len(tail) and tail[at].isspace():
        at += 1
    found = _MATH.match(tail, at, at + 2000)
    if found and not re.match(
        r"\s*(?:,|and\b|or\b)\s*[$\\\d]", tail[found.end() : found.end() + 20]
    ):
        inner = next(group for group in found.groups() if group is not None)
        if not re.search(r"[a-z]{2,} [a-z]{2,}", inner) or "\\" in inner:
            percent = re.match(r"\s*\\?%", tail[found.end() : found.end() + 9])
            value = inner.strip() + ("%" if percent else "")
            return Claim(value, offset + start, offset + found.end(), False)
    stop = _SENTENCE_END.search(tail, at)
    end = stop.start() if stop else len(tail)
    value = tail[at:end].strip().strip("*_").strip()
    if not _claims_value(value):
        return None
    cut = stop is None or (stop[0] == "." and stop.end() == len(tail))  # "12." may become 12.5
    return Claim(value, offset + start, offset + end, cut)


def _claims_value(value: str) -> bool:
    """Whether a phrase names a value: ``42``, ``Evelyn``; not ``correct`` or ``not 5``."""
    if not value or _NO_VALUE.match(value):
        return False
    if len(value) > 500:
        return re.fullmatch(r"[-+$]{0,2}[\d.,]+", value) is not None
    return any(c.isdigit() for c in value) or "\\" in value or len(value.split()) <= 5
