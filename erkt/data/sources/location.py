"""An archive that the user names: a file on disk, or an address."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from erkt.data.sources import web
from erkt.data.sources.packing import OnBytes, copy_file, mismatch
from erkt.errors import ErktError
from erkt.files.locations import resolve


@dataclass(frozen=True)
class Place:
    """Where an archive lies, as params say it, and how it is to come; see ``erkt.data.sources.fetch``."""

    location: str
    environment: Mapping[str, str]
    scratch: Path | None
    on_bytes: OnBytes
    patience: web.Patience

    def resolve(self) -> str:
        """Return the location with what the environment says."""
        return resolve(self.location, self.environment)


def bring(place: Place, digests: Mapping[str, str], target: Path) -> str:
    """Make ``target`` the archive at ``place``, with ``digests`` by algorithm; return its name for messages.

    An address is named without what may be secret in it: what the environment put in, a query, a password.

    Raises ErktError for a missing file, a failed download, another digest, and an address without one.
    """
    location = place.resolve()
    if "://" not in location:
        copy_file(Path(location), target, place.on_bytes)
        wrong = mismatch(target, digests)
        if wrong:
            raise ErktError(f"{location}: {wrong}")
        return location
    shown = re.sub(r"//[^/@]*@", "//", place.location.partition("?")[0])
    if not location.lower().startswith(("http://", "https://")):
        raise ErktError(f"{shown}: only http and https addresses are fetched")
    if not digests:
        raise ErktError(f"{shown}: an archive from the network needs its sha256; set dataset.sha256")
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as short_lived:
        scratch = place.scratch or Path(short_lived)
        web.download(location, shown, digests, target, scratch, place.on_bytes, place.patience)
    return shown
