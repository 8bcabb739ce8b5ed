"""The set-up: what they find on a machine and which commands they make of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from spicecim.ngspice import apt_sources, fetch, install, library, probe

TOP = Path(__file__).parents[1]

BOOKWORM = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
NOBLE = """\
VERSION="24.04.1 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
"""
MINT = """\
ID=linuxmint
ID_LIKE="ubuntu debian"
VERSION_CODENAME=wilma
UBUNTU_CODENAME=noble
"""

CONTAINER = """\
Types: deb
# http://snapshot.mirror.example/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/archive.gpg
"""
CONTAINER_BACKPORTS = """\
Types: deb
Suites: bookworm-backports
URIs: http://mirror.example/debian
Components: main
Signed-By: /usr/share/keyrings/archive.gpg
"""

EMBEDDED_KEY = """\
# See the manual page.

Types: deb deb-src
URIs: mirror+file:/etc/apt/mirrors/debian.list
Suites: bookworm
 bookworm-updates
# non-free is left out
Components: main
 contrib
Architectures: amd64
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----



Types: deb-src
URIs: http://other.example/debian
Suites: bookworm bookworm-updates
Components: main
"""
EMBEDDED_KEY_BACKPORTS = """\
Types: deb
Suites: bookworm-backports
URIs: mirror+file:/etc/apt/mirrors/debian.list
Components: main
 contrib
Architectures: amd64
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----
"""

INSTALLER = """\
#deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main
deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main

deb http://mirror.example/debian/ bookworm main non-free-firmware # the base system
deb-src http://mirror.example/debian/ bookworm main non-free-firmware

deb http://security.mirror.example/debian-security bookworm-security main non-free-firmware
deb http://mirror.example/debian/ bookworm-updates main non-free-firmware
"""
INSTALLER_BACKPORTS = "deb http://mirror.example/debian/ bookworm-backports main non-free-firmware\n"

OTHER_VENDOR_FIRST = """\
deb [arch=amd64 signed-by=/etc/apt/keyrings/vendor.gpg] https://vendor.example/debian bookworm main
deb\t[ signed-by=/usr/share/keyrings/archive.gpg,/etc/own.gpg ]  https://mirror.example/debian bookworm main
deb [ signed-by=/usr/share/keyrings/archive.gpg,/etc/own.gpg ] https://mirror.example/debian bookworm-updates main
"""
OTHER_VENDOR_FIRST_BACKPORTS = (
    "deb\t[ signed-by=/usr/share/keyrings/archive.gpg,/etc/own.gpg ]  "
    "https://mirror.example/debian bookworm-backports main\n"
)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (".sources", CONTAINER, CONTAINER_BACKPORTS),
        (".sources", EMBEDDED_KEY, EMBEDDED_KEY_BACKPORTS),
        (".list", INSTALLER, INSTALLER_BACKPORTS),
        (".list", OTHER_VENDOR_FIRST, OTHER_VENDOR_FIRST_BACKPORTS),
    ],
)
def test_backports_entry_is_derived_from_own_source(kind: str, text: str, expected: str) -> None:
    source = apt_sources.backports_source(apt_sources.parse_sources(text, kind), "bookworm")
    assert source.with_suite("bookworm-backports") == expected
    assert source.kind == kind
    # What is written must be read back as the same entry.
    (again,) = apt_sources.parse_sources(expected, kind)
    assert again.suites == ("bookworm-backports",)
    assert (again.uris, again.components) == (source.uris, source.components)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (".sources", CONTAINER + "\n" + CONTAINER_BACKPORTS),
        (".sources", CONTAINER.replace("updates", "updates bookworm-backports")),
        (".list", INSTALLER + INSTALLER_BACKPORTS),
        (".list", INSTALLER.replace("deb http", "# deb http")),
        (".sources", CONTAINER.replace("Types", "Enabled: no\nTypes")),
        (".sources", CONTAINER.replace("bookworm", "sid")),
        (".list", "deb https://vendor.example/linux/debian bookworm stable\n"),
        (".sources", ""),
        (".list", ""),
    ],
)
def test_no_backports_entry(kind: str, text: str) -> None:
    """There is none where it is configured already, or where nothing can be derived from."""
    assert apt_sources.backports_source(apt_sources.parse_sources(text, kind), "bookworm") is None


def test_disabled_backports_do_not_count() -> None:
    text = CONTAINER + "\nEnabled: no\n" + CONTAINER_BACKPORTS
    assert apt_sources.backports_source(apt_sources.parse_sources(text, ".sources"), "bookworm") is not None


def test_sources_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (tmp_path / "sources.list").write_text(INSTALLER)
    (folder / "debian.sources").write_text(CONTAINER)
    (folder / "vendor.list.disabled").write_text(OTHER_VENDOR_FIRST)
    assert [source.kind for source in apt_sources.read_sources(tmp_path)] == [".list"] * 3 + [".sources"] * 2


MADISON = """\
libngspice0 | 39.3+ds-1 | http://mirror.example/debian bookworm/main amd64 Packages
libngspice0 | 46+ds-1~bpo12+1 | http://mirror.example/debian bookworm-backports/main amd64 Packages
libngspice0 | 47+ds-1 | http://mirror.example/debian sid/main amd64 Packages
libngspice0 | 9.9 | http://vendor.example ./ Packages
   ngspice | 48+ds-1 | http://mirror.example/debian bookworm/main Sources
"""


def test_offers() -> None:
    offers = apt_sources.parse_madison(MADISON, "bookworm")
    assert offers == [((46,), "bookworm-backports"), ((39, 3), "bookworm")]
    assert apt_sources.parse_madison(MADISON, "noble") == []


@pytest.mark.parametrize(
    ("text", "version"),
    [("39.3+ds-1", (39, 3)), ("1:44.2+ds-1~bpo12+1", (44, 2)), ("46", (46,)), ("43+", (43,)), ("(none)", ())],
)
def test_version(text: str, version: tuple[int, ...]) -> None:
    assert apt_sources.parse_version(text) == version


@pytest.mark.parametrize(
    ("os_release", "offers", "target"),
    [
        (BOOKWORM, [((39, 3), "bookworm")], "new bookworm-backports"),
        (BOOKWORM, [((46,), "bookworm-backports"), ((39, 3), "bookworm")], "bookworm-backports"),
        (BOOKWORM, [], ""),
        (BOOKWORM.replace("bookworm", "trixie"), [((44, 2), "trixie")], ""),
        (BOOKWORM.replace("bookworm", "bullseye"), [((34,), "bullseye")], ""),
        (NOBLE, [((42,), "noble")], ""),
        (NOBLE, [((45,), "noble-backports"), ((42,), "noble")], "noble-backports"),
        (MINT, [((42,), "noble")], ""),
    ],
)
def test_plan_with_apt(os_release: str, offers: list[tuple[tuple[int, ...], str]], target: str) -> None:
    """Backports are added only on Debian, from its own source, and only where the release is too old."""
    sources = apt_sources.parse_sources(CONTAINER, ".sources")
    *before, last = install.plan_apt(apt_sources.parse_os_release(os_release), offers, sources)
    assert last.argv[-3:] == ("install", "ngspice", "libngspice0")
    assert last.argv[-5:-3] == ("-t", target.split()[-1]) if target else "-t" not in last.argv
    if target.startswith("new"):
        entry = install.Step(("tee", "/etc/apt/sources.list.d/spicecim-backports.sources"), CONTAINER_BACKPORTS)
        assert before == [entry, install.UPDATE]
    else:
        assert before == []


@pytest.mark.parametrize(
    ("system", "os_release", "command"),
    [
        ("darwin", "", "brew install ngspice libngspice"),
        ("linux", "ID=fedora\n", "dnf install -y ngspice libngspice"),
        ("linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install -y ngspice libngspice"),
        ("linux", "# a comment\n\nID=arch\n", "pacman -S --needed --noconfirm ngspice"),
        (
            "linux",
            'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
            "zypper --non-interactive install ngspice libngspice0",
        ),
    ],
)
def test_plan_without_apt(system: str, os_release: str, command: str) -> None:
    (step,) = install.plan_other(system, apt_sources.parse_os_release(os_release))
    assert step.shell() == command


def test_no_plan_for_an_unknown_distribution() -> None:
    assert install.plan_other("linux", {"ID": "other"}) is None
    assert install.plan_other("linux", {}) is None


@pytest.fixture
def bookworm(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Make the machine one that offers 39.3 and has no backports configured."""
    monkeypatch.setattr(install, "apt_offers", lambda codename: [((39, 3), codename)])
    monkeypatch.setattr(install, "read_sources", lambda: apt_sources.parse_sources(CONTAINER, ".sources"))
    return apt_sources.parse_os_release(BOOKWORM)


def test_without_root_and_sudo_the_commands_are_told(
    bookworm: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(install.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    monkeypatch.setattr(install, "fetch", lambda *_: None)
    assert not install.install_with_apt(bookworm, ())
    told = capfd.readouterr().err
    assert "As root" in told
    assert f"<<'END'\n{CONTAINER_BACKPORTS}END\n" in told
    assert told.index("tee ") < told.index(" update") < told.index("-t bookworm-backports install ngspice libngspice0")


def test_backports_that_cannot_be_had_are_taken_out_again(
    bookworm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def run(step: object, prefix: list[str]) -> bool:
        done.append(step.shell())
        return "-t" not in step.argv

    monkeypatch.setattr(install, "root_prefix", list)
    monkeypatch.setattr(install, "run", run)
    assert install.install_with_apt(bookworm, ())
    assert done[-3:] == [
        "rm -f /etc/apt/sources.list.d/spicecim-backports.sources",
        install.UPDATE.shell(),
        install.apt_install().shell(),
    ]


def test_newest_that_is_offered_is_left_alone(bookworm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "run", lambda step, prefix: pytest.fail(step.shell()))
    ubuntu = {"ID": "ubuntu", "VERSION_CODENAME": "jammy"}
    assert install.install_with_apt(ubuntu, (39,))


@pytest.mark.ngspice
def test_library_of_this_machine() -> None:
    assert probe.library_version(library.find_library()) == install.installed_version() > (20,)


@pytest.mark.parametrize("name", ["no-such-library.so", str(TOP / "pyproject.toml")])
def test_what_is_no_ngspice_has_no_version(name: str) -> None:
    assert probe.library_version(name) == ()


def test_the_library_that_runs_load_is_the_one_that_is_asked_for_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(install, "library_version", lambda name, environment: asked.append(name) or (46,))
    own, brew = tmp_path / "libngspice.so.0", tmp_path / "brew"
    (brew / "lib").mkdir(parents=True)
    for file in (own, brew / "lib" / "libngspice.so.0"):
        file.write_bytes(b"")
    monkeypatch.setenv("HOMEBREW_PREFIX", str(brew))
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    assert install.main() == 0
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(own))
    assert install.main() == 0
    assert asked == [str(brew / "lib" / "libngspice.so.0"), str(own)]
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(tmp_path / "none.so"))
    assert install.main() == 1
    assert "none.so, cannot be loaded as ngspice" in capsys.readouterr().err


SIMULATED = """\
NOTE: This is only a simulation!
Inst libgomp1 (12.2.0-14 Debian:12.11/oldstable [amd64])
Inst libngspice0 [39.3+ds-1] (46+ds-1~bpo12+1 Debian Backports:oldstable-backports [amd64])
Conf libgomp1 (12.2.0-14 Debian:12.11/oldstable [amd64])
"""


def test_dependencies_that_are_missing_are_fetched_too() -> None:
    assert fetch.missing_packages(SIMULATED) == ["libgomp1"]
    with pytest.raises(OSError, match="needs a newer libc6 than is installed, which takes root"):
        fetch.missing_packages(SIMULATED + "Inst libc6 [2.36] (2.41 Debian:13 [amd64])\n")


def test_what_was_fetched_is_found_first_and_finds_what_lies_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path))
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/own")
    system = library.find_library()
    assert library.library_environment(system) == {}
    folder = tmp_path / "ngspice" / "46" / "usr" / "lib" / "x86_64-linux-gnu"
    folder.mkdir(parents=True)
    file = folder / "libngspice.so.0"
    file.write_bytes(b"")
    assert library.find_library() == str(file)
    assert library.library_environment(str(file)) == {"LD_LIBRARY_PATH": f"{folder}:/opt/own"}
    file.chmod(0o666)  # somebody else could have written it
    assert library.find_library() == system


def test_apt_of_a_user_works_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, MADISON)

    monkeypatch.setattr(fetch.subprocess, "run", run)
    sources = apt_sources.parse_sources(CONTAINER, ".sources")
    apt = fetch.UserApt(tmp_path, sources)
    apt.add(sources[0], "bookworm-backports")
    apt.update()
    assert apt.offers("bookworm")[0][1] == "bookworm-backports"
    written = {file.name: file.read_text() for file in (tmp_path / "sources").iterdir()}
    assert written["added.sources"] == CONTAINER_BACKPORTS
    assert "Suites: bookworm bookworm-updates\n" in written["own-0.sources"]
    for command in asked:
        assert f"Dir::State::Lists={tmp_path}/lists" in command
        assert "APT::Get::AllowUnauthenticated=false" in command


def test_without_root_what_apt_offers_is_fetched(bookworm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "root_prefix", lambda: None)
    monkeypatch.setattr(install, "fetch", lambda release, wanted, installed: Path("library"))
    assert install.install_with_apt(bookworm, ())


def test_without_apt_and_root_a_python_package_brings_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(install, "root_prefix", lambda: None)
    monkeypatch.setattr(install, "run", lambda step, prefix: not done.append(step.argv))
    assert install.install_otherwise({"ID": "fedora"})
    assert done[0][1:4] == ("-m", "pip", "install")
    assert done[0][-1] == install.WHEEL


# Stands for Python and pip, and notes what it is asked to do.
PYTHON_STUB = """\
#!/bin/sh
case "$*" in
*sys.executable*) echo "$0" ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >&3 ;;
*" install "*" -r "*) echo packages >&3 ;;
*" install "*" -e "*) echo project >&3 && test ! -e unbuildable ;;
esac
"""


@pytest.fixture
def set_up(tmp_path: Path) -> Callable[[], list[str]]:
    """Return a function that sets up a copy of the project with the stub and returns what the stub did."""
    shutil.copytree(TOP / "scripts", tmp_path / "scripts")
    (tmp_path / "requirements").mkdir()
    for name in ("lock.txt", "torch.txt"):
        (tmp_path / "requirements" / name).touch()
    (tmp_path / "pyproject.toml").touch()
    stub = tmp_path / "python"
    stub.write_text(PYTHON_STUB)
    stub.chmod(0o755)

    def set_up() -> list[str]:
        log = tmp_path / "log"
        environment = {**os.environ, "PYTHON": str(stub)}
        command = f"sh scripts/setup_venv.sh 3>{log}"
        subprocess.run(command, shell=True, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, check=False)
        return log.read_text().split()

    return set_up


def test_only_what_is_needed_is_set_up(set_up: Callable[[], list[str]], tmp_path: Path) -> None:
    everything = ["venv", "packages", "project"]
    assert set_up() == everything
    assert set_up() == []
    (tmp_path / "pyproject.toml").write_text("changed")
    assert set_up() == ["project"]
    for name in ("lock.txt", "torch.txt"):
        (tmp_path / "requirements" / name).write_text("changed")
        assert set_up() == ["packages", "project"]
    assert set_up() == []


def test_interrupted_set_up_begins_anew(set_up: Callable[[], list[str]], tmp_path: Path) -> None:
    everything = set_up()
    (tmp_path / ".venv" / ".setup").unlink()
    assert set_up() == everything
    (tmp_path / ".venv" / "bin" / "python").unlink()
    assert set_up() == everything
    shutil.rmtree(tmp_path / ".venv")
    assert set_up() == everything


def test_failed_installation_of_the_project_is_tried_again(set_up: Callable[[], list[str]], tmp_path: Path) -> None:
    (tmp_path / "unbuildable").touch()
    assert set_up() == ["venv", "packages", "project"]
    assert set_up() == ["project"]
    (tmp_path / "unbuildable").unlink()
    assert set_up() == ["project"]
    assert set_up() == []


def test_the_lock_leaves_pytorch_out() -> None:
    """PyTorch in a universal lock is several gigabytes of CUDA packages."""
    locked = [line.partition("==")[0] for line in (TOP / "requirements" / "lock.txt").read_text().splitlines()]
    assert "scikit-learn" in locked
    assert not [name for name in locked if name.startswith(("torch", "nvidia", "triton", "cuda"))]
    (pin,) = re.findall(r"^torch==([\d.]+)", (TOP / "requirements" / "torch.txt").read_text(), re.MULTILINE)
    (oldest,) = re.findall(r'"torch>=([\d.]+)"', (TOP / "pyproject.toml").read_text(), re.MULTILINE)
    assert numbers(pin) >= numbers(oldest)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_missing_python_is_told(tmp_path: Path) -> None:
    command = ["sh", str(TOP / "scripts" / "find_python.sh")]
    environment = {**os.environ, "PYTHON": str(tmp_path / "python9.9")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "No Python 3.10 or newer found" in result.stderr
