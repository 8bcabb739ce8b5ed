"""Install ngspice and its shared library, unless a good enough one is there already.

Good enough is version 43, or, where the distribution has no such version, the newest that it offers. Debian stable
has it in its backports, whose apt source is derived from the machine's own one, so that no mirror is named here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

Version = tuple[int, ...]

WANTED: Version = (43,)
PACKAGES = ("ngspice", "libngspice0")
APT_FOLDER = Path("/etc/apt")
APT_GET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")

# What asks the library for its version runs in a process of its own: loading it may crash, and runs its start-up files.
PROBE = """
import ctypes, sys
Send = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)
lines = []
send = Send(lambda line, number, user: lines.append(line) or 0)
for name in sys.argv[1:]:
    try:
        library = ctypes.CDLL(name)
    except OSError:
        continue
    library.ngSpice_Init(send, None, None, None, None, None, None)
    sys.stdout.buffer.write(b"\\n".join(lines))
    break
"""


class Step(NamedTuple):
    """One command of an installation, with the text it reads from its standard input."""

    argv: tuple[str, ...]
    text: str = ""

    def shell(self) -> str:
        """Return the command as one would type it."""
        line = shlex.join(self.argv)
        return f"{line} >/dev/null <<'END'\n{self.text}END" if self.text else line


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


UPDATE = Step((*APT_GET, "update"))


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


def apt_offers(codename: str) -> list[tuple[Version, str]]:
    """Return what the configured suites of this release offer, newest first."""
    command = ["apt-cache", "madison", PACKAGES[1]]
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


def apt_codename(release: dict[str, str]) -> str:
    """Return the name that begins the names of the suites, which in a derivative is that of the original."""
    return release.get("UBUNTU_CODENAME") or release.get("DEBIAN_CODENAME") or release.get("VERSION_CODENAME", "")


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


def library_names(system: str, environment: Mapping[str, str]) -> list[str]:
    """Return the names under which the simulator is looked for, as given to the dynamic loader."""
    if "NGSPICE_LIBRARY_PATH" in environment:
        return [environment["NGSPICE_LIBRARY_PATH"]]
    if system == "darwin":
        names = ["libngspice.dylib", "libngspice.0.dylib"]
        # The loader does not look where Homebrew installs on Apple silicon.
        folders = [environment.get("HOMEBREW_PREFIX", "/opt/homebrew"), "/opt/homebrew", "/usr/local"]
        return [*names, *(f"{folder}/lib/{name}" for folder in dict.fromkeys(folders) for name in names)]
    return ["libngspice.so.0", "libngspice.so"]


def library_version(names: list[str]) -> Version:
    """Return the version of the first of these libraries that can be loaded; empty if there is none."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        check=False,
    )
    match = re.search(r"ngspice-(\S+) shared library", result.stdout)
    return parse_version(match[1]) if match else ()


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
    if steps is None or shutil.which(steps[0].argv[0]) is None:
        print("Install ngspice 43 or newer with its shared library (libngspice), then run make again.", file=sys.stderr)
        return False
    prefix = [] if sys.platform == "darwin" else root_prefix()
    if prefix is None:
        print(instructions(steps), file=sys.stderr)
        return False
    return all(run(step, prefix) for step in steps)


def main() -> int:
    """Run the script and return its exit status."""
    names = library_names(sys.platform, os.environ)
    version = library_version(names)
    # Lets a version that is older, but the newest to be had, pass from then on without asking the package manager.
    accepted = Path(sys.prefix) / ".ngspice"
    if version >= WANTED or (version and accepted.is_file() and accepted.read_text() == str(version)):
        return 0
    if "NGSPICE_LIBRARY_PATH" in os.environ:
        state = "is older than version 43" if version else "cannot be loaded as ngspice"
        print(f"The library that NGSPICE_LIBRARY_PATH names, {names[0]}, {state}.", file=sys.stderr)
        return 0 if version else 1

    file = Path("/etc/os-release")
    release = parse_os_release(file.read_text()) if file.is_file() else {}
    done = install_with_apt(release, version) if shutil.which("apt-get") else install_otherwise(release)
    if not done:
        return 1
    version = library_version(names)
    if not version:
        print(f"ngspice is installed, but none of {', '.join(names)} can be loaded.", file=sys.stderr)
        return 1
    if version < WANTED:
        print(f"ngspice {'.'.join(map(str, version))} is the newest that this distribution offers.")
        if sys.prefix != sys.base_prefix:
            accepted.write_text(str(version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
