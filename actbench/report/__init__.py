"""One self-contained page about a comparison. Imports no torch, and matplotlib only where figures are drawn."""
