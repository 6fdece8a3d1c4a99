"""Random streams named by purpose, so that nothing random depends on what else was drawn. Imports nothing of ours.

One global random sequence would let an arm with more parameters shift every later draw. Here each draw has its own
stream: shared weights under (seed, "init", parameter name), an activation under (seed, "activation", site), data
under (seed, purpose, epoch), and dropout under (seed, "step", step).
"""

import hashlib


def stream_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for the stream of that purpose; different purposes give unrelated seeds."""
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
