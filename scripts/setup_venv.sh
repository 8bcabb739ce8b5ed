#!/bin/sh
# Bring the virtual environment to what requirements/*.txt and pyproject.toml say; quiet if it is there already.
set -eu

cd "$(dirname "$0")/.."
venv=${1:-.venv}
stamp=$venv/.setup
pip="$venv/bin/python -m pip --disable-pip-version-check"

# Two at once would spoil each other's work, also when the make that began the first was killed. Its pip holds the lock
# as well, since it inherits the descriptor. macOS has no flock and goes without.
if command -v flock >/dev/null; then
    exec 9<scripts/setup_venv.sh
    flock -n 9 || { echo "Waiting for another set-up of this folder to end ..." && flock 9; } || :
fi

# The stamp says what the environment was made from. It is written last and taken away before anything changes, so an
# environment without one was interrupted: pip may then take a half-copied package for an installed one.
home=$(pwd -P)
files='requirements/lock.txt requirements/torch.txt'
# Without a C compiler of the system, one comes as a Python package: models then run compiled all the same.
for name in ${CC:-cc gcc clang} none; do
    if [ "$name" = none ]; then files="$files requirements/compiler.txt"; fi
    if command -v "$name" >/dev/null; then break; fi
done
packages=$(cat $files | cksum)
project=$(cksum <pyproject.toml)
old_home='' old_packages='' old_project=''
if [ -f "$stamp" ]; then
    { read -r old_home; read -r old_packages; read -r old_project; } <"$stamp" || :
fi

# The scripts inside name the folder they were made in. Importing pip fails when a newer Python has come underneath.
if [ "$old_home" != "$home" ] || ! "$venv/bin/python" -I -c 'import pip' 2>/dev/null; then
    python=$(sh scripts/find_python.sh)
    echo "Making $venv with $python ..."
    rm -rf "$venv"
    "$python" -m venv "$venv"
    old_packages='' old_project=''
fi

if [ "$old_packages" = "$packages" ] && [ "$old_project" = "$project" ]; then
    exit 0
fi
rm -f "$stamp"
if [ "$old_packages" != "$packages" ]; then
    echo "Installing the locked packages ..."
    $pip install --quiet $(printf -- '-r %s ' $files)
fi

install_project() {
    echo "Installing spicecim ..."
    $pip install --quiet --no-deps --no-build-isolation -e . || return
    problems=$($pip check) && return
    echo "$problems" >&2
    echo "The installed packages do not fit pyproject.toml; 'make lock' brings the lock up to date." >&2
    return 1
}

if ! install_project; then
    # The packages are in order all the same: the next attempt need not begin with them.
    printf '%s\n' "$home" "$packages" >"$stamp"
    exit 1
fi
printf '%s\n' "$home" "$packages" "$project" >"$stamp"
