"""ngspice without root: the distribution's own packages, unpacked into the user's cache.

apt checks signatures and sums as it does for root; only the folders that it works in are the user's. What of the
packages' dependencies is not installed is unpacked beside them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from spicecim.ngspice.apt_sources import (
    Source,
    Version,
    apt_codename,
    backports_source,
    parse_madison,
    read_sources,
)
from spicecim.ngspice.library import FETCHED, fetched_library, library_environment
from spicecim.ngspice.probe import library_version
from spicecim.veriloga.cache import usable_cache

LIBRARY = "libngspice0"
PACKAGES = ("ngspice", LIBRARY)
"""The first has the code models, the second the library."""


class UserApt:
    """apt as an ordinary user runs it, with sources, lists and downloads in a folder of its own."""

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        self._folder = folder
        for name in ("sources", "lists/partial", "cache/archives/partial", "packages"):
            (folder / name).mkdir(parents=True)
        for index, source in enumerate(sources):
            self._write(f"own-{index}", source, source.suites)
        self._options = [
            option
            for setting in (
                "Dir::Etc::SourceList=/dev/null",
                f"Dir::Etc::SourceParts={folder / 'sources'}",
                f"Dir::State::Lists={folder / 'lists'}",
                f"Dir::Cache={folder / 'cache'}",
                "Acquire::Languages=none",
                "Acquire::AllowInsecureRepositories=false",
                "APT::Get::AllowUnauthenticated=false",
            )
            for option in ("-o", setting)
        ]

    def add(self, source: Source, suite: str) -> None:
        """Add another suite of a source."""
        self._write("added", source, (suite,))

    def _write(self, name: str, source: Source, suites: Sequence[str]) -> None:
        lines = [" ".join(suites)] if source.kind == ".sources" else suites
        text = "".join(source.with_suite(line) for line in lines)
        (self._folder / "sources" / f"{name}{source.kind}").write_text(text, encoding="utf-8")

    def _run(self, program: str, *arguments: str, show: bool = False) -> subprocess.CompletedProcess[str]:
        if show:
            print(f"+ {program} {' '.join(arguments)}", flush=True)
        return subprocess.run(
            [program, "-q", *self._options, *arguments],
            cwd=self._folder / "packages",
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.DEVNULL,
            text=True,
            errors="replace",
            check=False,
        )

    def update(self) -> None:
        """Read what the sources offer. One that does not answer is no reason to stop: what is offered tells."""
        self._run("apt-get", "update", show=True)

    def offers(self, codename: str) -> list[tuple[Version, str]]:
        """Return version and suite of each libngspice that is offered, newest first."""
        return parse_madison(self._run("apt-cache", "madison", LIBRARY).stdout, codename)

    def missing(self, suite: str) -> list[str]:
        """Packages that the library needs and that are not installed.

        Raises
        ------
        OSError
            If installed packages would have to be replaced, which takes root.
        """
        simulated = self._run("apt-get", "-s", "--no-install-recommends", "-t", suite, "install", LIBRARY).stdout
        return missing_packages(simulated)

    def unpack(self, suite: str, packages: Sequence[str], target: Path) -> bool:
        """Download packages and unpack them into a folder, and return whether that succeeded."""
        if self._run("apt-get", "-t", suite, "download", *packages, show=True).returncode != 0:
            return False
        files = sorted((self._folder / "packages").glob("*.deb"))
        print(f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB downloaded")
        return bool(files) and all(
            subprocess.run(["dpkg", "-x", str(file), str(target)], check=False).returncode == 0 for file in files
        )


def missing_packages(simulated: str) -> list[str]:
    """Return the packages that a simulated installation adds, but for those that are fetched in any case.

    Raises
    ------
    OSError
        If it replaces an installed package by a newer one.
    """
    added = []
    for name, installed in re.findall(r"^Inst (\S+) (\[[^\]]*\] )?\(", simulated, flags=re.MULTILINE):
        if installed and name not in PACKAGES:
            raise OSError(f"the package needs a newer {name} than is installed, which takes root")
        if name not in PACKAGES:
            added.append(name)
    return added


def fetch(release: dict[str, str], wanted: Version, installed: Version = ()) -> Path | None:
    """Fetch ngspice with apt as an ordinary user and return the library; None if it cannot be had.

    What is newest of what the release offers is taken, of Debian's backports too if the release itself has none as new
    as `wanted`. Nothing is fetched that is no newer than what is installed.
    """
    cache, reason = usable_cache()
    if cache is None:
        print(f"ngspice cannot be fetched: {reason}", file=sys.stderr)
        return None
    codename = apt_codename(release)
    every = read_sources()
    own = [
        source
        for source in every
        if any(suite.split("/")[0] == codename or suite.startswith(f"{codename}-") for suite in source.suites)
    ]
    with tempfile.TemporaryDirectory(prefix="making-", dir=cache) as scratch:
        try:
            apt = UserApt(Path(scratch), own)
            apt.update()
            offers = apt.offers(codename)
            backports = backports_source(own, codename) if release.get("ID") == "debian" else None
            if backports is not None and (not offers or offers[0][0] < wanted):
                apt.add(backports, f"{codename}-backports")
                apt.update()
                offers = apt.offers(codename)
            if not offers or (installed and offers[0][0][:1] <= installed[:1]):
                return None
            suite = offers[0][1]
            target = Path(scratch, "root")
            if not apt.unpack(suite, [*PACKAGES, *apt.missing(suite)], target):
                return None
        except OSError as error:
            print(f"ngspice cannot be fetched: {error}", file=sys.stderr)
            return None
        (cache / FETCHED).mkdir(mode=0o700, exist_ok=True)
        place = cache / FETCHED / ".".join(map(str, offers[0][0]))
        shutil.rmtree(place, ignore_errors=True)
        target.chmod(0o700)
        target.replace(place)
    library = fetched_library()
    if library is None or not library_version(str(library), library_environment(str(library))):
        print(f"ngspice was unpacked to {place}, but cannot be loaded.", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
        return None
    print(f"ngspice {place.name} of {suite} is unpacked in {place}, for this user alone.")
    return library
