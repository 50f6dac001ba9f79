"""A page as an element of another page: of the report of a run, or of a notebook."""

from __future__ import annotations

from snsim.errors import fail, for_line
from snsim.escaping import for_html
from snsim.page.subject import PageSubject
from snsim.page.writing import page_of

MOST_IN_FRAME = 4_000_000  # bytes of a page inside another one


def frame_of(subject: PageSubject) -> str:
    """Return the page of a training as an `iframe` element that holds all of it.

    The frame has no origin, so the page can read nothing of the page around it, and it keeps its own
    Content-Security-Policy. A browser opens it when it comes into view.

    SnError if the page cannot do what the training asks for, or is larger than 4 MB.
    """
    page = page_of(subject)
    size = len(page.encode())
    if size > MOST_IN_FRAME:
        raise fail(
            f"the page of {for_line(subject.training.name)} has {size / 1e6:.1f} MB; "
            f"inside another page it may have at most {MOST_IN_FRAME / 1e6:.0f} MB",
            hint="write it as a file of its own: snsim page",
        )
    content = page.replace("&", "&amp;").replace('"', "&quot;")  # hidden characters must stay: scripts have a hash
    title = for_html(f"{for_line(subject.training.name)}: the net learns here")
    return (
        f'<iframe class="net" title="{title}" sandbox="allow-scripts allow-downloads" loading="lazy" width="100%" '
        f'height="760" srcdoc="{content}"></iframe>'
    )
