"""What every group of events has: the page, the studio, and how the two are told of each other."""

from emsync.interface.asked import Asked
from emsync.interface.changes import PageChanges
from emsync.interface.layout import Page
from emsync.interface.studio import Studio


class EventGroup:
    """Events that belong together."""

    def __init__(self, page: Page, studio: Studio) -> None:
        """
        Args:
            page: its components.
            studio: does the work.
        """
        self._page, self._studio = page, studio
        self._show = PageChanges(page, studio)
        self._asked = Asked(page, studio)
