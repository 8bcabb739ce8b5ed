"""Files from outside: regular ones only, and never more than a limit allows."""

import os
import socket

import pytest

from spicecim import limits
from spicecim.errors import InputError
from spicecim.outside import check_file, parse_json, read_bytes, read_text, real_path


@pytest.fixture(autouse=True)
def small_limit(monkeypatch):
    monkeypatch.setattr(limits, "SPICE_FILE_BYTES", 10)


def test_a_regular_file_is_read_up_to_the_limit(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"\xef\xbb\xbf1234567")
    assert check_file(file, "SPICE_FILE_BYTES") == 10
    assert read_bytes(str(file), "SPICE_FILE_BYTES")[-1:] == b"7"
    assert read_text(file, "SPICE_FILE_BYTES") == "1234567"
    (tmp_path / "link").symlink_to(file)
    assert check_file(tmp_path / "link", "SPICE_FILE_BYTES") == 10
    file.write_bytes(b"12345678901")
    for read in (check_file, read_bytes, read_text):
        with pytest.raises(InputError, match=r"a has more than 10 bytes \(spicecim.limits.SPICE_FILE_BYTES\)"):
            read(file, "SPICE_FILE_BYTES")


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    for name, message in {
        "fifo": "is a FIFO", "folder": "is a folder", "socket": "is a socket", "loop": "cannot be read",
        "absent": "No such file", "a\0b": r"a\\x00b' cannot be read", "x" * 300: "too long",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=message):
            read_bytes(tmp_path / name, "SPICE_FILE_BYTES")
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match="must be a regular file"):
            read_bytes(device, "SPICE_FILE_BYTES")


def test_a_file_without_a_size_is_not_read_without_end(tmp_path):
    with pytest.raises(InputError, match="more than 10 bytes"):
        read_bytes("/proc/self/status", "SPICE_FILE_BYTES")


def test_text_is_in_utf_8(tmp_path):
    (tmp_path / "latin").write_bytes(b"abc\xb5")
    with pytest.raises(InputError, match=r"no text in UTF-8: byte 3 is 0xb5"):
        read_text(tmp_path / "latin", "SPICE_FILE_BYTES")


def test_json_from_outside(monkeypatch):
    assert parse_json('{"a": [1]}') == {"a": [1]}
    for text, message in {"[" * 100_000: "nested too deep", "{": "no JSON", "9" * 5000: "no JSON"}.items():
        with pytest.raises(InputError, match=message):
            parse_json(text)
    monkeypatch.setattr(limits, "JSON_BYTES", 3)
    with pytest.raises(InputError, match="more than 3 bytes"):
        parse_json("[1, 2]")


def test_links_that_lead_in_a_circle_are_an_error_on_every_python(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match=r"[Ss]ymbolic links"):
        real_path(tmp_path / "loop")
    assert real_path(tmp_path / "link") == real_path(tmp_path / "file")
    assert real_path(tmp_path / "gone").name == "gone"
