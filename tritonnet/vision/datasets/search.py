"""Where digits to train on come from: MNIST in a folder, MNIST from the net, else generated ones.

In this order: the folder that `data` or TRITONNET_DATA names; ./data; the user's cache; a download into the cache;
generated digits. A folder that is named must hold MNIST; the others may.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tritonnet.kernels.runtime.folders import cache_folder
from tritonnet.vision.datasets.download import DownloadError
from tritonnet.vision.datasets.idx import CorruptFile
from tritonnet.vision.datasets.mnist import MNIST

GENERATED = "generated"  # as `data`: draw digits even if there is MNIST


@dataclass(frozen=True)
class Source:
    """What was found: `name` for people, the folder (None: generated), and why it is not MNIST, if so."""

    name: str
    folder: Path | None
    reason: str = ""

    def load(self, train, transform=None, limit=None):
        """The part to train on, or the part to test on; of it, the first `limit` images."""
        if self.folder is None:
            from tritonnet.vision.digits import SIZES, GeneratedDigits

            return GeneratedDigits(train, transform, size=min(limit or SIZES[train], SIZES[train]))
        try:
            dataset = MNIST(self.folder, train, transform)
        except CorruptFile as error:
            if self.folder != cache_folder("data"):
                raise
            raise CorruptFile(f"{error}; delete the file, and it is downloaded anew") from None
        dataset.data, dataset.targets = dataset.data[:limit], dataset.targets[:limit]
        return dataset


def find_digits(data=None, download=True):
    """A `Source`. Raises FileNotFoundError if `data` or TRITONNET_DATA names a folder without MNIST.

    data: a folder, or "generated".  download: whether to try, if no folder has it.
    """
    named, how = (data, "data") if data else (os.environ.get("TRITONNET_DATA"), "TRITONNET_DATA")
    if named == GENERATED:
        return Source("generated digits", None, "asked for")
    if named:
        folder = Path(named).expanduser()
        if not MNIST.exists_in(folder):
            missing = "is no folder" if not folder.is_dir() else "lacks " + " and ".join(
                f"{name}[.gz]" for name in MNIST.resources if MNIST.find(folder, name) is None)
            raise FileNotFoundError(f"no MNIST in {how}={named}: {folder} {missing}")
        return Source("MNIST", folder)
    cache = cache_folder("data")
    for folder in (Path("data"), cache):
        if MNIST.exists_in(folder):
            return Source("MNIST", folder)
    reason = f"no MNIST in ./data or {cache}"
    if download:
        try:
            MNIST.fetch(cache)
        except (DownloadError, OSError) as error:
            reason += f", and {str(error).splitlines()[0].rstrip(':')}"
        else:
            return Source("MNIST", cache)
    return Source("generated digits", None, reason)
