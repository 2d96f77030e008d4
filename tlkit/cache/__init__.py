"""Data and weights on request: a registry of names, sizes and checksums; files fetched once and verified.

`TLKIT_CACHE` names the folder of what was fetched (it may be read-only), `TLKIT_COMPUTED` that of what was
computed here. Nothing is used before its sha256 is the registered one.
"""

from tlkit.cache.fetch import get
from tlkit.cache.folders import clear, computed
from tlkit.cache.registry import Row, SetInfo, describe, listing, registry_dir, root, rows
from tlkit.cache.verify import Report, check

__all__ = [
    "Report",
    "Row",
    "SetInfo",
    "check",
    "clear",
    "computed",
    "describe",
    "get",
    "listing",
    "registry_dir",
    "root",
    "rows",
]
