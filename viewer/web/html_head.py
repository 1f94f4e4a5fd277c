"""What viser's page lacks: the scene's name as title, and a sheet that leaves narrow screens free.

On narrow screens viser lays the controls over the scene from below, open, and as wide as half of a
tablet. Its server has no word for either, so that the page gets a few lines in its head.
"""

from __future__ import annotations

import gzip
from html import escape

from websockets.http11 import Response

_VISERS_TITLE = b"<title>Viser</title>"
_SHEET = '[style*="position: fixed"][style*="max-height: 60%"]'
_HANDLE = f'{_SHEET} [style*="cursor: pointer"][style*="3.5em"]'
_HEAD = f"""
<style>
@media (max-width: 36em) {{
  {_SHEET}, {_SHEET} [style*="width: 20em"] {{ width: 100% !important; }}
}}
</style>
<script>
(() => {{
  const seen = new WeakSet();
  let due = false;
  const close = () => {{
    due = false;
    const handle = document.querySelector('{_HANDLE}');
    if (handle && !seen.has(handle)) {{ seen.add(handle); handle.click(); }}
  }};
  new MutationObserver(() => {{
    if (!due) {{ due = true; setTimeout(close, 50); }}
  }}).observe(document, {{childList: true, subtree: true}});
}})();
</script>
"""


class HtmlHead:
    """Puts the lines into the responses that are pages.

    Args:
        title: of the page, in the browser's tab.
    """

    def __init__(self, title: str) -> None:
        self._title = f"<title>{escape(title)}</title>".encode("utf-8", "replace")
        self._made: dict[bytes, bytes] = {}

    def put_into(self, response: Response) -> None:
        """Changes a response in place; others than pages stay as they are."""
        headers = response.headers
        if not headers.get("Content-Type", "").startswith("text/html"):
            return
        zipped = headers.get("Content-Encoding") == "gzip"
        body = bytes(response.body or b"")
        made = self._made.get(body)
        if made is None:
            page = self.put_into_page(gzip.decompress(body) if zipped else body)
            made = self._made[body] = gzip.compress(page, 6) if zipped else page
        response.body = made
        del headers["Content-Length"]
        headers["Content-Length"] = str(len(made))

    def put_into_page(self, page: bytes) -> bytes:
        """The page with its own title and what narrow screens need."""
        page = page.replace(_VISERS_TITLE, self._title, 1)
        return page.replace(b"</head>", _HEAD.encode() + b"</head>", 1)
