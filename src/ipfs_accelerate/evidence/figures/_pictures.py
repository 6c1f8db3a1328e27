"""One Chromium for as many pictures as are wanted, closed whatever happens."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ipfs_accelerate.errors import MissingExtraError, UnavailableError
from ipfs_accelerate.evidence.figures.theme import WIDTH

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import plotly.graph_objects as go

__all__ = ["SCALE", "Pictures", "height_of"]

T = TypeVar("T")
#: Pixels of a picture for each of its figure.
SCALE = 2
_HEIGHT = 450
_TIMEOUT_S = 90.0


class Pictures:
    """Draws figures within its ``with`` block; Chromium starts with the first of them.

    Its event loop has a thread of its own, so that a caller may have one too. After a failure the
    next picture gets a new Chromium.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._browser: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def draw(
        self,
        figure: go.Figure,
        format_: str,
        *,
        width: int = WIDTH,
        scale: int = SCALE,
        has_title: bool = True,
    ) -> bytes:
        """The figure as a picture; controls that only a page can use are left out.

        Raises:
            MissingExtraError: kaleido is not installed.
            UnavailableError: No Chromium can be started, or it did not draw.
        """
        if find_spec("kaleido") is None:
            reason = f"a figure as {format_}"
            raise MissingExtraError("figures", needed_for=reason, module="kaleido")
        spec, height = _still(figure, has_title=has_title), height_of(figure)
        options = {"format": format_, "width": width, "height": height, "scale": scale}
        try:
            return self._wait(self._drawn(spec, options))
        except Exception as error:  # kaleido and choreographer share no base class
            self._leave()
            raise UnavailableError(
                f"no Chromium drew the figure: {type(error).__name__}: {str(error)[:300]}",
                hint="install chromium, or name it in BROWSER_PATH; HTML needs none",
            ) from error

    async def _drawn(self, spec: dict[str, Any], options: dict[str, object]) -> bytes:
        async with asyncio.timeout(2 * _TIMEOUT_S):
            if self._browser is None:
                made = import_module("kaleido").Kaleido(mathjax=False, timeout=_TIMEOUT_S)
                self._browser = made
                await made.open()
            content: bytes = await self._browser.calc_fig(spec, opts=options)
            return content

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=self._loop.run_forever, name="pictures", daemon=True)
            self._thread.start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _leave(self) -> None:
        """Close Chromium, if there is one."""
        browser, self._browser = self._browser, None
        if browser is not None:
            self._wait(browser.close())


def height_of(figure: go.Figure) -> int:
    """Pixels at scale 1."""
    layout: dict[str, Any] = figure.to_plotly_json()["layout"]
    return int(layout.get("height") or _HEIGHT)


def _still(figure: go.Figure, *, has_title: bool) -> dict[str, Any]:
    """The figure as JSON without its controls; the figure itself stays as it is."""
    spec: dict[str, Any] = figure.to_plotly_json()
    dropped = {"sliders", "updatemenus"} | (set() if has_title else {"title"})
    layout = {name: value for name, value in spec["layout"].items() if name not in dropped}
    return {"data": spec["data"], "layout": layout}
