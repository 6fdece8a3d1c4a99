"""`python -m actbench`: the same as the command `actbench`."""

from actbench.cli import main

main()
