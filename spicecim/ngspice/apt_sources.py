"""What a machine's configuration of apt says, and what to write to have the backports of a release."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

Version = tuple[int, ...]

APT_FOLDER = Path("/etc/apt")


class Source(NamedTuple):
    """One entry of apt's sources; `head` and `tail` are its text before and after the names of the suites."""

    kind: str
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    head: str
    tail: str

    def with_suite(self, suite: str) -> str:
        """Return the text of the same entry for another suite."""
        return f"{self.head}{suite}{self.tail}"


def parse_version(text: str) -> Version:
    """Return the upstream version at the start of a package version such as ``1:44.2+ds-1``.

    Returns
    -------
    tuple of int
        Empty if the text does not begin with a version.
    """
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match[1].split("."))) if match else ()


def parse_os_release(text: str) -> dict[str, str]:
    """Return the variables that an os-release file sets."""
    pairs = (line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))
    return {name: " ".join(shlex.split(value)) for name, value in pairs}


def parse_sources(text: str, kind: str) -> list[Source]:
    """Return the enabled binary entries of one file of apt sources.

    Parameters
    ----------
    text
        What the file holds.
    kind
        The suffix of its name: ``.sources`` for deb822 stanzas, ``.list`` for one-line entries.
    """
    return _parse_stanzas(text) if kind == ".sources" else _parse_lines(text)


def _parse_lines(text: str) -> list[Source]:
    found = []
    for line in text.splitlines():
        match = re.match(r"(\s*deb\s+(?:\[[^\]]*\]\s*)?)(?!cdrom:)(\S+)(\s+)(\S+)(\s[^#]*)", line)
        if match:
            before, uri, space, suite, components = match.groups()
            tail = f"{components.rstrip()}\n"
            found.append(Source(".list", (uri,), (suite,), tuple(components.split()), before + uri + space, tail))
    return found


def _parse_stanzas(text: str) -> list[Source]:
    found = []
    replaced = ("types", "suites", "enabled")
    # apt takes a comment out wherever it stands, even between the lines of one field.
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        fields = re.findall(r"^([^\s:]+):(.*(?:\n[ \t].*)*)", stanza, flags=re.MULTILINE)
        values = {name.lower(): tuple(value.split()) for name, value in fields}
        enabled = " ".join(values.get("enabled", ())).lower() not in ("no", "false", "without", "off", "disable", "0")
        if enabled and "deb" in values.get("types", ()):
            uris, suites, components = (values.get(name, ()) for name in ("uris", "suites", "components"))
            others = (f"{name}:{value}\n" for name, value in fields if name.lower() not in replaced)
            found.append(Source(".sources", uris, suites, components, "Types: deb\nSuites: ", "\n" + "".join(others)))
    return found


def backports_source(sources: list[Source], codename: str) -> Source | None:
    """Return the entry to derive that of the backports from.

    Returns
    -------
    Source or None
        None if there is none to derive it from, or the backports are configured already.
    """
    suites = {suite for source in sources for suite in source.suites}
    if not codename or f"{codename}-backports" in suites:
        return None
    # Other vendors name their suites after the release as well, but have no updates suite beside it.
    updated = {uri for source in sources if f"{codename}-updates" in source.suites for uri in source.uris}
    own = [source for source in sources if codename in source.suites and "main" in source.components]
    return max(own, key=lambda source: not updated.isdisjoint(source.uris), default=None)


def read_sources(folder: Path = APT_FOLDER) -> list[Source]:
    """Return all entries that apt is configured with."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [
        source
        for file in files
        if file.suffix in (".list", ".sources") and file.is_file()
        for source in parse_sources(file.read_text(errors="replace"), file.suffix)
    ]


def parse_madison(text: str, codename: str) -> list[tuple[Version, str]]:
    """Return version and suite of what ``apt-cache madison`` lists for this release, newest first."""
    offers = []
    for line in text.splitlines():
        columns = [column.strip() for column in line.split("|")]
        origin = columns[-1].split()
        if len(columns) == 3 and len(origin) > 2 and origin[-1] == "Packages":
            suite = origin[1].split("/")[0]
            if suite == codename or suite.startswith(f"{codename}-"):
                offers.append((parse_version(columns[1]), suite))
    return sorted(offers, reverse=True)


def apt_codename(release: dict[str, str]) -> str:
    """Return the name that begins the names of the suites, which in a derivative is that of the original."""
    return release.get("UBUNTU_CODENAME") or release.get("DEBIAN_CODENAME") or release.get("VERSION_CODENAME", "")
