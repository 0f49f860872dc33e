"""From an archive to a running command: importer first, then the command, then the cache."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from onefile import build, codecache
from onefile.importer import Importer


def launch(archive: str) -> NoReturn:
    """Runs the command line out of this archive and ends the process with its exit code."""
    cache = codecache.opened(build.ID)
    importer = Importer(archive, cache.known if cache else {})
    sys.meta_path.insert(0, importer)
    from preflight.__main__ import answer

    code = answer()
    if cache and importer.fresh and not sys.dont_write_bytecode:
        cache.save(importer.fresh)
    os._exit(code)
