"""Networks whose activations are handed to them. Importing this package loads no torch."""
