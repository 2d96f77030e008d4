"""Transfer learning as measurable choices: which source, which stages to train, and whether it helped.

Submodules load on first use (PEP 562), so `import tlkit` costs nothing.
"""

from importlib import import_module

__version__ = "0.1.0"

_MODULES = (
    "advise", "backbones", "compare", "env", "errors", "features", "files", "fit", "forecast",
    "plans", "plots", "recipe", "records", "registry", "report", "saved_model", "stats", "study", "tasks",
)  # fmt: skip


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"tlkit.{name}")
    raise AttributeError(f"module 'tlkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*globals(), *_MODULES))
