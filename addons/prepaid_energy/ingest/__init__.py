"""From a bridge's batch to usage, wallets and commands; see ``batch.py``."""

from .batch import Batch
