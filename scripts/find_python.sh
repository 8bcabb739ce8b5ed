#!/bin/sh
# Print the path of a Python that is new enough and can make virtual environments.
# PYTHON=... in the environment names the one to be taken.
set -eu

python=
# The first two come first because openvaf-py, the smaller of the two that read Verilog-A, has wheels for these alone.
# The older of the two is what the project is developed on.
for name in ${PYTHON:-python3.11 python3.12 python3 python3.14 python3.13 python3.10}; do
    # The name alone proves nothing: it may be a shim with no interpreter behind it.
    python=$("$name" -c 'import sys; print(sys.executable if sys.version_info >= (3, 10) else "")' 2>/dev/null) || continue
    [ -z "$python" ] || break
done
if [ -z "$python" ]; then
    echo "No Python 3.10 or newer found (tried: ${PYTHON:-python3, python3.10 ... python3.14})." >&2
    echo "Install one and run make again, or name it: make PYTHON=/path/to/python3 ..." >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian and Ubuntu ship these two modules in a package of their own.
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! command -v apt-get >/dev/null; then
        echo "$python lacks the modules venv and ensurepip. Install them and run make again." >&2
        exit 1
    fi
    if [ "$(id -u)" = 0 ]; then
        sudo=
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo=sudo
    else
        echo "$python lacks the modules venv and ensurepip. As root, run this and then make again:" >&2
        echo "  apt-get install $package" >&2
        exit 1
    fi
    echo "Installing $package ..." >&2
    # A source that does not answer is no reason to stop: the install tells whether it mattered.
    $sudo apt-get -q update >&2 || :
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$package" >&2
fi

echo "$python"
