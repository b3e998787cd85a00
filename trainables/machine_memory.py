"""Memory of this machine."""

import functools
import os
from pathlib import Path


@functools.cache
def machine_memory_bytes() -> int:
    """Return the memory of this machine, or of the container that this process runs in."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    container_limit = Path("/sys/fs/cgroup/memory.max")
    text = container_limit.read_text().strip() if container_limit.is_file() else "max"
    return total if text == "max" else min(total, int(text))
