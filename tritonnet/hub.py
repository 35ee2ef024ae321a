"""`torch.hub`: weights from an address, kept in a cache folder. Models from GitHub are PyTorch code, so refused."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlparse

__all__ = ["download_url_to_file", "get_dir", "list", "load", "load_state_dict_from_url", "set_dir"]
_folder = None


def get_dir() -> str:
    """The folder for downloads: TRITONNET_HOME/hub, or tritonnet/hub in the user's cache folder."""
    if _folder is not None:
        return _folder
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(Path(os.environ.get("TRITONNET_HOME") or cache / "tritonnet") / "hub")


def set_dir(d) -> None:
    """Choose the folder for downloads."""
    global _folder
    _folder = str(Path(d).expanduser())


def download_url_to_file(url, dst, hash_prefix=None, progress=True) -> None:
    """Fetch a file. hash_prefix: how its SHA-256 has to begin, else RuntimeError and nothing is left."""
    import hashlib
    import urllib.request

    from tqdm import tqdm

    path = Path(dst).expanduser()
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, open(aside, "wb") as file:
            size = answer.headers.get("Content-Length")
            with tqdm(total=size and int(size), unit="B", unit_scale=True, disable=not progress, desc=path.name) as bar:
                while block := answer.read(1 << 17):
                    file.write(block)
                    digest.update(block)
                    bar.update(len(block))
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}") of {url}')
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True, check_hash=False, file_name=None,
                             weights_only=True):
    """`load` of a file that is downloaded once, into model_dir or get_dir()/checkpoints.

    check_hash: the name ends in -<first digits of its SHA-256>.ext, which has to be true.
    """
    from tritonnet.serialization import load as load_file

    folder = Path(model_dir) if model_dir is not None else Path(get_dir()) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = folder / name
    if not path.exists():
        prefix = Path(name).stem.rpartition("-")[2] if check_hash else None
        download_url_to_file(url, path, prefix, progress)
    return load_file(path, map_location=map_location, weights_only=weights_only)


def load(repo_or_dir, model, *args, **kwargs):
    """Raises: what the hub holds is Python written for PyTorch itself."""
    raise NotImplementedError(f"hub.load({repo_or_dir!r}, {model!r}): the hub's models import torch. Take the model's "
                              "source with changed imports, and its weights by hub.load_state_dict_from_url")


def list(github, *args, **kwargs):
    """Raises, as load does."""
    raise NotImplementedError(f"hub.list({github!r}): the hub's models import torch")
