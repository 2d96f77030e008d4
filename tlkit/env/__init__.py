"""What a process does first (threads, seed, device), where files lie, and the doctor."""

from tlkit.env.machine import Check, doctor, origin, processor, versions
from tlkit.env.process import (
    cache_dir,
    cache_dirs,
    cores,
    data_dir,
    device,
    device_name,
    host,
    on_device,
    results_dir,
    seed_everything,
    set_threads,
    setup,
    threads,
)

__all__ = [
    "Check", "cache_dir", "cache_dirs", "cores", "data_dir", "device", "device_name", "doctor", "host",
    "on_device", "origin", "processor", "results_dir", "seed_everything", "set_threads", "setup", "threads",
    "versions",
]  # fmt: skip
