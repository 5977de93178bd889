"""``python -m flows.commands`` is the command ``factory``."""

from flows.commands import main

main()
