"""What a process does first (threads, seed, device), where files lie, and what numbers come from."""

from tlkit.env.machine import origin, versions
from tlkit.env.process import (
    computed_dir,
    data_dir,
    device,
    host,
    on_device,
    results_dir,
    seed_everything,
    set_threads,
    setup,
)

__all__ = [
    "computed_dir", "data_dir", "device", "host", "on_device", "origin",
    "results_dir", "seed_everything", "set_threads", "setup", "versions",
]  # fmt: skip
