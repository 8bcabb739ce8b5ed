"""Install ngspice and its shared library, unless a good enough one is there already.

Good enough is version 43, or, where the distribution has no such version, the newest that it offers. Debian stable
has it in its backports, whose apt source is derived from the machine's own one, so that no mirror is named here.
Where there is neither root nor sudo, the same packages are unpacked into the user's cache (see `fetch`), or where there
is no apt either, a Python package that carries the library is installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from spicecim.errors import NgspiceNotFoundError
from spicecim.ngspice.apt_sources import (
    APT_FOLDER,
    Source,
    Version,
    apt_codename,
    backports_source,
    parse_madison,
    parse_os_release,
    read_sources,
)
from spicecim.ngspice.fetch import LIBRARY, PACKAGES, fetch
from spicecim.ngspice.library import ENVIRONMENT_VARIABLE, find_library, library_environment
from spicecim.ngspice.probe import library_version

WANTED: Version = (43,)
WHEEL = "sedes>=0.1.10"
"""Python package that carries a libngspice, for where neither apt nor root is there."""
APT_GET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")


class Step(NamedTuple):
    """One command of an installation, with the text it reads from its standard input."""

    argv: tuple[str, ...]
    text: str = ""

    def shell(self) -> str:
        """Return the command as one would type it."""
        line = shlex.join(self.argv)
        return f"{line} >/dev/null <<'END'\n{self.text}END" if self.text else line


UPDATE = Step((*APT_GET, "update"))


def apt_offers(codename: str) -> list[tuple[Version, str]]:
    """Return what the configured suites of this release offer, newest first."""
    command = ["apt-cache", "madison", LIBRARY]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return parse_madison(result.stdout, codename)


def apt_install(suite: str = "") -> Step:
    """Return the command that installs the packages, from a suite that apt would not take them from by itself."""
    target = ("-t", suite) if suite else ()
    return Step((*APT_GET, "--no-install-recommends", *target, "install", *PACKAGES))


def plan_apt(release: dict[str, str], offers: list[tuple[Version, str]], sources: list[Source]) -> list[Step]:
    """Return the commands that install the newest ngspice with apt.

    Parameters
    ----------
    release
        The variables of os-release.
    offers
        What the configured suites offer, newest first.
    sources
        The entries that apt is configured with.
    """
    codename = apt_codename(release)
    backports = f"{codename}-backports"
    version, suite = offers[0] if offers else (WANTED, "")
    if version < WANTED and release.get("ID") == "debian" and (source := backports_source(sources, codename)):
        entry = Step(("tee", str(backports_file(source))), source.with_suite(backports))
        return [entry, UPDATE, apt_install(backports)]
    return [apt_install(backports if suite == backports else "")]


def backports_file(source: Source) -> Path:
    """Return the file that gets the entry derived from `source`."""
    return APT_FOLDER / "sources.list.d" / f"spicecim-backports{source.kind}"


def plan_other(system: str, release: dict[str, str]) -> list[Step] | None:
    """Return the commands that install ngspice where there is no apt, or None if they are not known.

    Parameters
    ----------
    system
        The value of ``sys.platform``.
    release
        The variables of os-release; empty on macOS.
    """
    if system == "darwin":
        return [Step(("brew", "install", "ngspice", "libngspice"))]
    commands = {
        "fedora": "dnf install -y ngspice libngspice",
        "rhel": "dnf install -y ngspice libngspice",
        "arch": "pacman -S --needed --noconfirm ngspice",
        "suse": "zypper --non-interactive install ngspice libngspice0",
    }
    for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if name in commands:
            return [Step(tuple(commands[name].split()))]
    return None


def root_prefix() -> list[str] | None:
    """Return what to put before a command that only root may run, or None if there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    if sys.stdin.isatty():
        return ["sudo"]
    # Nobody can type a password here.
    allowed = subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return ["sudo", "-n"] if allowed else None


def instructions(steps: list[Step]) -> str:
    """Return what to tell someone who has to run these commands as root."""
    commands = "\n".join(step.shell() for step in steps)
    return f"ngspice has to be installed, which takes root. As root, run this and then make again:\n\n{commands}"


def run(step: Step, prefix: list[str]) -> bool:
    """Run one command, saying which, and return whether it succeeded."""
    command = [*prefix, *step.argv]
    print(f"+ {shlex.join(command)}", flush=True)
    return subprocess.run(command, input=step.text or None, text=True, check=False).returncode == 0


def install_with_apt(release: dict[str, str], installed: Version) -> bool:
    """Install the newest ngspice that the distribution offers and return whether it is there."""

    def look() -> tuple[list[Step], bool]:
        offers = apt_offers(apt_codename(release))
        steps = plan_apt(release, offers, read_sources())
        # The library does not tell a minor version.
        return steps, bool(installed and offers) and len(steps) == 1 and installed[:1] >= offers[0][0][:1]

    steps, newest = look()
    if newest:
        return True
    prefix = root_prefix()
    if prefix is None:
        print("There is neither root nor sudo here: ngspice is fetched for this user alone.", flush=True)
        if fetch(release, WANTED, installed) is not None:
            return True
        print(instructions(steps if UPDATE in steps else [UPDATE, *steps]), file=sys.stderr)
        return False

    # A source that does not answer is no reason to stop: the install tells whether it mattered.
    _ = run(UPDATE, prefix) or run(UPDATE, prefix)
    steps, newest = look()
    if newest:
        return True
    *preparation, install = steps
    for step in preparation:
        run(step, prefix)
    if run(install, prefix) or (run(UPDATE, prefix) and run(install, prefix)):
        return True
    if not preparation:
        return False
    print("The backports cannot be had; taking what the release itself offers.", file=sys.stderr)
    run(Step(("rm", "-f", preparation[0].argv[-1])), prefix)
    return run(UPDATE, prefix) and run(apt_install(), prefix)


def install_otherwise(release: dict[str, str]) -> bool:
    """Install ngspice without apt and return whether it is there."""
    steps = plan_other(sys.platform, release)
    if steps is not None and shutil.which(steps[0].argv[0]) is not None:
        prefix = [] if sys.platform == "darwin" else root_prefix()
        if prefix is not None:
            return all(run(step, prefix) for step in steps)
    print(f"ngspice cannot be installed as root here: the Python package {WHEEL} carries it.", flush=True)
    if run(Step((sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", WHEEL)), []):
        return True
    advice = "Install ngspice 43 or newer with its shared library (libngspice), then run make again."
    print(advice if steps is None else instructions(steps), file=sys.stderr)
    return False


def installed_version() -> Version:
    """Return the version of the library that runs would load; empty if there is none, or it cannot be loaded."""
    try:
        name = find_library()
    except NgspiceNotFoundError:
        return ()
    return library_version(name, library_environment(name))


def main() -> int:
    """Install ngspice if that is needed, and return the exit status."""
    version = installed_version()
    # Lets a version that is older, but the newest to be had, pass from then on without asking the package manager.
    accepted = Path(sys.prefix) / ".ngspice"
    if version >= WANTED or (version and accepted.is_file() and accepted.read_text() == str(version)):
        return 0
    if own := os.environ.get(ENVIRONMENT_VARIABLE):
        state = "is older than version 43" if version else "cannot be loaded as ngspice"
        print(f"The library that {ENVIRONMENT_VARIABLE} names, {own}, {state}.", file=sys.stderr)
        return 0 if version else 1

    file = Path("/etc/os-release")
    release = parse_os_release(file.read_text()) if file.is_file() else {}
    done = install_with_apt(release, version) if shutil.which("apt-get") else install_otherwise(release)
    if not done:
        return 1
    version = installed_version()
    if not version:
        print("ngspice is installed, but its library is not found or cannot be loaded.", file=sys.stderr)
        return 1
    if version < WANTED:
        print(f"ngspice {'.'.join(map(str, version))} is the newest that this distribution offers.")
        if sys.prefix != sys.base_prefix:
            accepted.write_text(str(version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
