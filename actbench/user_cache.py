"""Where what can be made again is kept for this user. Imports nothing of ours."""

import os
from pathlib import Path

import platformdirs


def user_cache() -> Path:
    """ACTBENCH_CACHE_DIR, or else the folder that the system has for this; it need not exist."""
    return Path(os.environ.get("ACTBENCH_CACHE_DIR") or platformdirs.user_cache_dir("actbench"))
