"""Files beside the film: a MIDI file to go on from, a theme, a SoundFont."""

import threading
from dataclasses import replace
from pathlib import Path

from emsync.interface.sessions import Session
from emsync.interface.store import Store
from emsync.settings import Settings


class UserFiles:
    """Checks and keeps them as long as they are used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._soundfonts: set[Path] = set()
        """Those that were checked."""

    def kept(self, session: Session, settings: Settings) -> Settings:
        """Return the settings with the user's files in a place where they are kept.

        Args:
            session: the page on which they came.
            settings: with the paths of what was uploaded.

        Raises:
            EmsyncError: a file is gone, or no SoundFont that can be played.
        """
        from emsync.sound.soundfonts import check, installed

        music, sound = settings.music, settings.sound
        music = replace(
            music,
            primer=self._keep(session, music.primer),
            theme=self._keep(session, music.theme),
        )
        if sound.soundfont not in [None, *(one.path for one in installed())]:
            font = self._keep(session, sound.soundfont)
            assert font is not None
            with self._lock:
                is_new = font not in self._soundfonts
            if is_new:
                check(font)
                with self._lock:
                    self._soundfonts.add(font)
            sound = replace(sound, soundfont=font)
        return replace(settings, music=music, sound=sound)

    def discard(self, session: Session, others: list[Session]) -> None:
        """Delete the files of a page, except those that one of `others` brought as well."""
        shared = {file for other in others if other is not session for file in other.files}
        for file in session.files - shared:
            self._store.discard(file)
        session.files = set()

    def sweep(self) -> None:
        """Forget SoundFonts that are gone."""
        with self._lock:
            self._soundfonts = {path for path in self._soundfonts if path.exists()}

    def _keep(self, session: Session, upload: Path | None) -> Path | None:
        if upload is None:
            return None
        path = self._store.keep(upload)
        session.files.add(path)
        return path
