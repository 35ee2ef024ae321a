"""Where save writes: a file is replaced all at once, and a failed save leaves the old one and nothing else."""

import os
import stat
import subprocess
import sys
import textwrap

import pytest

import tritonnet
from tritonnet.serialization import aside


def test_paths_and_file_objects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tritonnet.save([1], "relative.pt", _use_new_zipfile_serialization=False)
    assert tritonnet.load("relative.pt", weights_only=True, mmap=False) == [1]
    with open("file", "wb") as file:
        file.write(b"before")
        tritonnet.save([tritonnet.ones(2)], file)
    with open("file", "rb", buffering=0) as file:
        assert file.read(6) == b"before" and tritonnet.load(file)[0].tolist() == [1, 1]


def test_a_save_keeps_links_and_permissions(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    tritonnet.save(1, target)
    os.chmod(target, 0o640)
    link.symlink_to(target)
    tritonnet.save(2, link)
    assert link.is_symlink() and tritonnet.load(target) == 2 and stat.S_IMODE(target.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        tritonnet.save(1, tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_save_into_a_pipe_writes_there():
    read, write = os.pipe()
    tritonnet.save("through a pipe", f"/dev/fd/{write}")
    os.close(write)
    with open(read, "rb") as file:
        assert tritonnet.load(file) == "through a pipe"


def test_where_nothing_can_be_saved(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .*missing does not exist"):
        tritonnet.save(1, tmp_path / "missing" / "x")
    with pytest.raises(IsADirectoryError):
        tritonnet.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        tritonnet.save(1, "")
    with pytest.raises(IsADirectoryError):
        tritonnet.save(1, f"{tmp_path}/new/")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotADirectoryError) as error:
        tritonnet.save(1, tmp_path / "file" / "x")
    assert error.value.filename == str(tmp_path / "file" / "x")
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb") as full:
            tritonnet.save(tritonnet.ones(100000), full)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(tmp_path):
    os.chmod(tmp_path, 0o500)
    with pytest.raises(PermissionError) as error:
        tritonnet.save(1, tmp_path / "x")
    assert error.value.filename == str(tmp_path / "x")


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("stage", ["write", "fsync", "replace"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, stage, nameless):
    if not nameless:  # a system without files that have no name
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "model.pt"
    tritonnet.save("old", path)

    def fails(*_):
        raise KeyboardInterrupt if stage == "write" else OSError(28, "No space left on device")

    if stage == "write":
        monkeypatch.setattr("safetensors.numpy.save", fails)
    else:
        monkeypatch.setattr(os, stage, fails)
    with pytest.raises((OSError, KeyboardInterrupt)):
        tritonnet.save(tritonnet.ones(3), path)
    monkeypatch.undo()
    assert tritonnet.load(path) == "old" and os.listdir(tmp_path) == ["model.pt"]


def test_a_killed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    tritonnet.save("old", path)
    program = f"""
        import os, signal, tritonnet
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        tritonnet.save(tritonnet.ones(100000), {str(path)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=os.getcwd(), timeout=60)
    assert done.returncode == -9 and tritonnet.load(path) == "old"
    if aside._nameless(tmp_path) is not None:
        assert os.listdir(tmp_path) == ["model.pt"]
    tritonnet.save("new", path)
    assert tritonnet.load(path) == "new"
