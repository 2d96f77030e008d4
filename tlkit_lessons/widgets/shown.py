"""What ipywidgets 7, which Google Colab has, and 8 do differently: pages in a stack, and showing a widget."""

import base64
from collections.abc import Sequence
from typing import Any

import ipywidgets
from IPython.display import display
from ipywidgets import HTML, Tab, VBox, Widget

VIEW = "application/vnd.jupyter.widget-view+json"
_BARE = """<style>
.tlkit-pages > .p-TabBar, .tlkit-pages > .lm-TabBar { display: none !important; }
.tlkit-pages > .widget-tab-contents { border: none !important; padding: 0 !important; }
</style>"""


class WithStill(VBox):
    """A column of widgets whose output also holds `still`, for where no widget is drawn: a PNG, or HTML.

    ipywidgets 8 is asked for all that an output shall hold. In 7 a widget puts its own output on the page,
    a view and nothing else; so here it puts there what 8 would be asked for.
    """

    still: bytes | str

    def __init__(self, children: Sequence[Widget]):
        if not hasattr(Widget, "_repr_mimebundle_"):
            self._ipython_display_ = lambda **_: display(self._repr_mimebundle_(), raw=True)
        super().__init__(children)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict:
        asked = getattr(super(), "_repr_mimebundle_", None)
        view = asked(**kwargs) if asked else {"text/plain": repr(self), VIEW: self.get_view_spec()}
        if isinstance(self.still, bytes):
            return view | {"image/png": base64.b64encode(self.still).decode()}
        return view | {"text/html": self.still}


def stacked(pages: Sequence[HTML]) -> list[Widget]:
    """What shows the page at its first widget's `selected_index`: a stack, or in 7 tabs without their bar."""
    if hasattr(ipywidgets, "Stack"):
        return [ipywidgets.Stack(pages, selected_index=0)]
    tabs = Tab(pages, selected_index=0)
    tabs.add_class("tlkit-pages")
    return [tabs, HTML(_BARE)]
