"""What is loaded as a program was put there by this user or by root."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spicecim.errors import InputError
from spicecim.private_files import make_folder, temporary_folder, writable_by_others
from spicecim.veriloga.cache import CacheWarning, _temporary_cache, cached_file, is_intact

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, with one file in it."""
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    _temporary_cache.cache_clear()
    cached_file("key", ".x", lambda target: target.write_text("made") and None)
    yield tmp_path / "cache"
    _temporary_cache.cache_clear()


def again():
    """What is found under the key, when the file must be made again if it is not trusted."""
    return cached_file("key", ".x", lambda target: target.write_text("made anew") and None).read_text()


def plant(target):
    """Put a file in the place of another, with a record that fits."""
    import hashlib

    target.unlink()
    target.write_text("planted")
    Path(f"{target}.json").write_text(json.dumps({"sha256": hashlib.sha256(b"planted").hexdigest()}))


def test_a_file_of_ones_own_is_used(own_cache):
    assert again() == "made"
    assert writable_by_others(own_cache / "key.x") is None


@pytest.mark.parametrize("name", ["key.x", "key.x.json"])
def test_a_file_that_others_can_write_is_made_again(own_cache, name):
    (own_cache / name).chmod(0o666)
    assert again() == "made anew"
    assert is_intact(own_cache / "key.x")


@as_root
@pytest.mark.parametrize("name", ["key.x", "key.x.json"])
def test_a_file_of_another_user_is_made_again(own_cache, name):
    plant(own_cache / "key.x")
    os.chown(own_cache / name, NOBODY, NOBODY)
    assert again() == "made anew"


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_is_not_used(own_cache, mode):
    plant(own_cache / "key.x")
    own_cache.chmod(mode)
    with pytest.warns(
        CacheWarning, match=rf"not safe, because others can write {own_cache}; .*chmod go-w.*SPICECIM_CACHE"
    ):
        assert again() == "made anew"
    assert (own_cache / "key.x").read_text() == "planted"


def test_a_folder_above_that_others_can_write_counts(own_cache):
    own_cache.parent.chmod(0o777)
    with pytest.warns(CacheWarning, match=f"others can write {own_cache.parent};"):
        assert again() == "made anew"


def test_the_sticky_bit_keeps_what_is_ones_own(own_cache):
    own_cache.parent.chmod(0o1777)
    assert again() == "made"
    own_cache.chmod(0o1777)
    assert again() == "made"


def test_a_link_is_followed_through_every_folder(tmp_path, monkeypatch):
    """From a folder that others can write, a link leads back to one's own."""
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "link").symlink_to("../own")
    (tmp_path / "safe").symlink_to("own")
    (tmp_path / "round").symlink_to("round")
    assert writable_by_others(tmp_path / "own") is None
    assert writable_by_others(tmp_path / "safe") is None
    assert writable_by_others(tmp_path / "open" / "link") == f"others can write {tmp_path / 'open'}"
    with pytest.raises(OSError, match="too many symbolic links"):
        writable_by_others(tmp_path / "round")
    with pytest.raises(FileNotFoundError):
        writable_by_others(tmp_path / "nothing")


@as_root
def test_a_link_of_another_user_is_not_followed(tmp_path):
    (tmp_path / "own").mkdir(mode=0o700)
    tmp_path.chmod(0o1777)
    (tmp_path / "link").symlink_to("own")
    os.lchown(tmp_path / "link", NOBODY, NOBODY)
    assert writable_by_others(tmp_path / "link") == f"{tmp_path / 'link'} belongs to another user"


@pytest.mark.parametrize("record", ["", "[" * 100_000, "[1]", "{}", '{"sha256": 1e999}', "\udcff", None])
def test_a_damaged_record_is_made_again(own_cache, record):
    file = own_cache / "key.x.json"
    if record is None:
        file.unlink()
        file.mkdir()
    else:
        file.write_text(record, encoding="utf-8", errors="surrogateescape")
    assert again() == "made anew"
    assert again() == "made anew"
    assert is_intact(own_cache / "key.x")


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_made_again(own_cache, kind):
    (own_cache / "key.x").unlink()
    (os.mkfifo if kind == "fifo" else os.mkdir)(own_cache / "key.x")
    assert again() == "made anew"


def test_what_a_killed_process_left_goes_after_a_day(own_cache):
    old, new = own_cache / "making-old", own_cache / "making-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    (own_cache / "key.x").unlink()
    again()
    assert not old.exists()
    assert new.exists()


def test_a_cache_is_made_for_its_user_whatever_the_umask(tmp_path, monkeypatch):
    before = os.umask(0o002)
    try:
        monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "a" / "b"))
        cached_file("key", ".x", lambda target: target.write_text("made") and None)
        assert again() == "made"
        make_folder(tmp_path / "c" / "d")
    finally:
        os.umask(before)
    for folder in ("a", "a/b", "c", "c/d"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


def test_temporary_files_are_not_put_where_others_can_replace_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = temporary_folder()
    assert folder.is_absolute()
    folder.rmdir()
    tmp_path.chmod(0o777)
    with pytest.raises(InputError, match=f"TMPDIR: .*others can write {tmp_path}; .*sticky"):
        temporary_folder()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="TMPDIR: no folder"):
        temporary_folder()


@pytest.mark.compiler
@pytest.mark.ngspice
def test_a_planted_library_does_not_run(make_bench, tmp_path, monkeypatch):
    """The same, with what it is about: the constructor of a shared library."""
    from spicecim.ngspice.client import Worker
    from spicecim.ngspice.engine import simulate_ngspice

    cache, mark = tmp_path / "cache", tmp_path / "ran"
    monkeypatch.setenv("SPICECIM_CACHE", str(cache))
    bench = make_bench(device={"model": "yakopcic", "preset": "oblea", "backend": "osdi"})
    simulate_ngspice(bench)
    source = tmp_path / "planted.c"
    source.write_text(
        f'#include <stdio.h>\n__attribute__((constructor)) static void f(void) {{ fclose(fopen("{mark}", "w")); }}\n'
    )
    planted = tmp_path / "planted.so"
    subprocess.run([shutil.which("cc"), "-shared", "-fPIC", "-o", planted, source], check=True)
    for library in cache.glob("*.osdi"):
        import hashlib

        library.unlink()
        shutil.copy(planted, library)
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
        Path(f"{library}.json").write_text(json.dumps({"sha256": digest}))
        library.chmod(0o777)
    worker = Worker()  # which has loaded nothing
    simulate_ngspice(bench, worker=worker)
    worker.close()
    assert not mark.exists()
