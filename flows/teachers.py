"""Which teacher answers: the recipe's words made into an object."""

from typing import TYPE_CHECKING

from generators.teachers import TEACHERS
