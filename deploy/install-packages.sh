#!/bin/sh
# Install the packages of lock files, with the compiled engine where its packages have wheels for this machine:
#
#     sh deploy/install-packages.sh PYTHON FAST PLAIN [OTHER ...]
#
# Installs FAST and the OTHER files. Only if pip finds no wheel of numba for this machine, PLAIN and the OTHER files are
# installed instead: everything works then, but more slowly. Every other failure is an error. pip reports a network that
# fails as "No matching distribution" too, and an image without the compiled engine would look like a good one; so its
# log decides.
set -eu

python=$1 fast=$2 plain=$3
shift 3
others=""
for file; do others="$others -r $file"; done
log=$(mktemp)
trap 'rm -f "$log"' EXIT

install() {
    # shellcheck disable=SC2086  # file names of ours, without spaces
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary=numba,llvmlite,numpy --log "$log" -r "$1" $others
}

install "$fast" && exit
# A package that one of several indexes does not have is answered 404, and is no failure.
if grep "Could not fetch URL" "$log" | grep -qv ": 404 "; then
    echo "The package index did not answer. Nothing was left out; check the network and try again." >&2
    exit 1
fi
grep -Eq "No matching distribution found for (numba|llvmlite|numpy)" "$log" || exit 1
echo "numba has no wheel for this machine: installing without the compiled engine, which is slower." >&2
install "$plain"
