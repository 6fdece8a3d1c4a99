"""The program, as `actbench` and as `python -m actbench`."""

import gc


def main() -> None:
    # What is imported and read stays: to look through it for garbage every 700 objects, as is the default, takes 7 % of
    # the time of `actbench --help`, and a fifth of that of `compare`.
    gc.set_threshold(100_000, 10, 10)
    from actbench.cli import main as command

    command()


if __name__ == "__main__":
    main()
