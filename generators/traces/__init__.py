"""Traces that exist already: published reasoning sets, read row by row as questions with answers.

`rows` reaches into a file or a data set without holding it, `layouts` understands a row, `tags`
takes the reasoning out of a text, `match` finds the rows that answer a problem, and `sets` puts
them together. `generators.teachers.dataset` is the teacher made of them.
"""

from generators.traces.layouts import FIELDS
from generators.traces.sets import TraceSet

__all__ = ["FIELDS", "TraceSet"]
