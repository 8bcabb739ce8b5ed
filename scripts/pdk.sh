#!/bin/sh
# Fetch a foundry's models for ngspice into the virtual environment, if they are not there: IHP's SG13G2, Apache 2.0.
# Beside the packages, and without the package's own dependencies, which draw layouts and are not needed.
set -eu

venv=${1:-.venv}
target=$venv/pdk
if [ ! -d "$target/ihp/models" ]; then
    echo "Fetching the models of IHP's SG13G2 ..."
    rm -rf "$target"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --target "$target" ihp-gdsfactory==2.0.0
fi
