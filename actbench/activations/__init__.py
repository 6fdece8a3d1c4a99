"""Activation functions, families by file, and their catalogue. Importing this package loads no torch."""

from actbench.activations.create import ACTIVATIONS, create_activation

__all__ = ["ACTIVATIONS", "create_activation"]
