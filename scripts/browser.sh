#!/bin/sh
# Bring a browser for the tests of pages: the distribution's Chromium, where none is there yet.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if ! command -v apt-get >/dev/null; then
    echo "The tests of pages need Chromium. Install it, so that chromium or google-chrome is on PATH." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    sudo=sudo
else
    echo "The tests of pages need Chromium. As root, run this: apt-get install chromium" >&2
    exit 1
fi
echo "Installing chromium ..."
$sudo apt-get -q update >/dev/null || :
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install chromium >/dev/null
