"""One run of one contestant, in this process alone: `python -m benchmarks.child`, the request on stdin."""

import cProfile
import importlib
import json
import pstats
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from benchmarks.phases import Watch
from tlkit.files import write_whole

ROWS = 10  # of a profile


def main() -> None:
    """Answer {"call", "arguments", "threads", "profile"} with what was measured, in the file "answer"."""
    request = json.load(sys.stdin)
    warnings.filterwarnings("ignore")  # what others' libraries say of each other is not measured here
    began = time.perf_counter()
    module, _, name = request["call"].partition(":")
    call = getattr(importlib.import_module(module), name)
    import torch

    imports = time.perf_counter() - began
    if request["threads"]:
        torch.set_num_threads(request["threads"])
    answer = run(call, request["arguments"], request["profile"])
    answer["seconds"]["import"] = imports
    answer["threads"] = torch.get_num_threads()
    write_whole(Path(request["answer"]), json.dumps(answer))


def run(call: Callable, arguments: dict, profile: bool = False) -> dict:
    """What `call(watch, **arguments)` says of itself, its seconds by phase and in all, its peak memory."""
    watch, profiler = Watch(), cProfile.Profile() if profile else None
    began = time.perf_counter()
    with profiler or nullcontext():
        facts = call(watch, **arguments)
    total = time.perf_counter() - began
    answer = {**facts, "seconds": {**watch.seconds, "total": total}, "peak_mb": peak_mb()}
    return answer | ({"profile": rows(profiler)} if profiler else {})


def peak_mb() -> float:
    """The most memory this process has held, in MiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        from tlkit.fit.cost import peak_mb  # which brings fastai along: not where it can be helped

        return peak_mb()
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**10


def rows(profiler: cProfile.Profile) -> list[dict]:
    """The functions with the most time of their own, most first."""
    found = pstats.Stats(profiler).stats
    top = sorted(found.items(), key=lambda item: -item[1][2])[:ROWS]
    return [{"where": place(*key), "calls": calls, "seconds": own} for key, (_, calls, own, _, _) in top]


def place(file: str, line: int, function: str) -> str:
    """A function's name that means the same on every machine."""
    if file == "~":
        return function.strip("<>{}").removeprefix("built-in method ")
    parts = Path(file).parts
    after = max((i for i, part in enumerate(parts) if part in ("site-packages", "lib")), default=-1) + 1
    after = after or next(
        (i for i, part in enumerate(parts) if part in ("tlkit", "benchmarks")), len(parts) - 1
    )
    return f"{'/'.join(parts[after:])}:{line} {function}"


if __name__ == "__main__":
    main()
