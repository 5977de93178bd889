"""Training, each kind in its own process.

Importing this package is cheap: torch, transformers and trl are loaded by the child processes only.
"""

from trainers.dry_run import DryRunTrainer
from trainers.process import TrlTrainer

TRAINERS: dict[str, type[TrlTrainer] | type[DryRunTrainer]] = {
    "trl": TrlTrainer,
    "dry-run": DryRunTrainer,
}
"""Name in a recipe's ``train.trainer`` -> class; made without arguments."""
