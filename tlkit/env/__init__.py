"""What a process does first (threads, seed, device), where files lie, and the doctor."""

from tlkit.env.checks import PARTS, Check, Part, doctor, missing
from tlkit.env.hosted import host, results_dir, where_results_go
from tlkit.env.process import (
    cache_dir,
    cache_dirs,
    cores,
    data_dir,
    device,
    device_name,
    on_device,
    seed_everything,
    set_threads,
    setup,
    threads,
    versions,
)
from tlkit.env.provenance import origin, processor

__all__ = [
    "PARTS",
    "Check",
    "Part",
    "cache_dir",
    "cache_dirs",
    "cores",
    "data_dir",
    "device",
    "device_name",
    "doctor",
    "host",
    "missing",
    "on_device",
    "origin",
    "processor",
    "results_dir",
    "seed_everything",
    "set_threads",
    "setup",
    "threads",
    "versions",
    "where_results_go",
]
