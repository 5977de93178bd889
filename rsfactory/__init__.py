"""The shared nouns of the factory: records, errors, recipes, ids, the store and its statistics.

Nothing here imports a framework (torch, trl, prefect): every other folder builds on this one.
"""

__version__ = "0.1.0"
