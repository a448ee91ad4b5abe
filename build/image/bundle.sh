#!/bin/sh
# bundle.sh: in the build stage, after toolchain.sh: the bundle of the sources in /src, into /src/dist. What it needs
# from package indexes is pinned by digest in requirements/build.txt; SOURCE_DATE_EPOCH says when the sources changed.
set -eu

export LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0 PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export PIP_ROOT_USER_ACTION=ignore SOURCE_DATE_EPOCH PYINSTALLER_CONFIG_DIR=/src/build/work/pyinstaller
umask 022
cd /src

environment=/usr/local/src/environment
stamp=$(sha256sum requirements/build.txt build/image/bootloader.txt)
if [ "$(cat "$environment/stamp" 2>/dev/null)" != "$stamp" ]; then
    python3.13 -I -m venv --clear "$environment"
    install() { "$environment/bin/python" -I -m pip install --progress-bar off --no-deps --require-hashes "$@"; }
    install --only-binary :all: -r requirements/build.txt -r build/image/bootloader.txt
    # PyInstaller's wheel brings an executable that looks for the node's libz; compiled here, it has zlib in it.
    awk '/^pyinstaller==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements/build.txt >"$environment/pyinstaller.txt"
    CFLAGS=-O2 PYINSTALLER_COMPILE_BOOTLOADER=1 \
        install --force-reinstall --no-cache-dir --no-build-isolation --no-binary pyinstaller -r "$environment/pyinstaller.txt"
    printf '%s\n' "$stamp" >"$environment/stamp"
fi

"$environment/bin/python" build/bundle.py --oldest-glibc 2.31
