"""Activation functions, each a file beside its entry in `catalog.py`. Importing this package loads no torch."""

from actbench.activations.create import ACTIVATIONS, create_activation

__all__ = ["ACTIVATIONS", "create_activation"]
