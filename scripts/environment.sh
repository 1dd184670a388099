# Sourced by serve, test and check: how .venv comes to be and stays up to date. Nothing is done twice: what was installed
# is stamped with a hash of what it was made of. Expects to be in the repository's root.
# shellcheck shell=bash

venv=.venv
stamps=$venv/.stamps
build=build/venv
python=$venv/bin/python

say() { echo "==> $*" >&2; }

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The hash of files and folders, with the interpreter's version.
hash_of() {
    {
        "$python" -VV
        find "$@" -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum | cut -d' ' -f1
}

is_stamped() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }

stamp() {
    mkdir -p "$stamps"
    echo "$2" >"$stamps/$1"
}

# A package of Debian's, where that is possible without asking for a password. $2: why.
install_debian() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null ||
        fail "$2; on Debian: apt-get install -y $1"
    say "Installing Debian's $1"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

pip_install() {
    "$python" -m pip install -qq --disable-pip-version-check --no-warn-script-location "$@"
}

make_venv() {
    if "$python" -c 'import pip' >/dev/null 2>&1; then return; fi
    local needs='on Debian: apt-get install -y python3 python3-venv python3-dev g++'
    local found='' candidate
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            found=$candidate
            break
        fi
    done
    [ -n "$found" ] || fail "Python 3.11 or newer is needed; $needs"
    "$found" -c 'import ensurepip, venv' >/dev/null 2>&1 || fail "Python's venv module is missing; $needs"
    "$found" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
        fail "Python's headers are missing; $needs"
    local compiler=${CXX:-c++}
    command -v "$compiler" >/dev/null || fail "a C++ compiler ($compiler) is needed; $needs"
    say "Making $venv with $("$found" -V)"
    "$found" -m venv --clear "$venv"
}

# The package's dependencies with those of extras, without the package itself.
install_requirements() {
    local hash
    hash=$(hash_of pyproject.toml)
    is_stamped "requirements-$*" "$hash" && return
    say "Installing what is needed${*:+ for: $*}"
    local -a wanted
    mapfile -t wanted < <("$python" - "$@" <<'PYTHON'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = [line for extra in sys.argv[1:] for line in project["optional-dependencies"][extra]]
# torch first and alone: its exact pin has to decide what the others get.
print(*sorted([*project["dependencies"], *extras], key=lambda line: not line.startswith("torch")), sep="\n")
PYTHON
    )
    if [[ ${wanted[0]} == torch* ]]; then
        pip_install "${wanted[0]}"
    fi
    pip_install "${wanted[@]}"
    stamp "requirements-$*" "$hash"
}

# A second environment, for the clients that cannot be installed beside the newest SDK. Modules are compiled when they are
# first imported: most of them never are.
install_older_clients() {
    local wanted=tests/clients/older/requirements.txt folder=build/older-clients hash
    hash=$(hash_of "$wanted")
    is_stamped older-clients "$hash" && [ -x "$folder/bin/python" ] && return
    say "Installing the clients that need an older SDK"
    "$python" -m venv --clear --without-pip "$folder"
    "$python" -m pip --python "$folder" install -qq --disable-pip-version-check --no-compile -r "$wanted"
    stamp older-clients "$hash"
}

# With the node and npm that are in the environment: Debian's are too old for them.
install_npm_clients() {
    local folder=tests/clients/npm hash
    hash=$(hash_of "$folder/package.json" "$folder/package-lock.json")
    is_stamped npm-clients "$hash" && [ -d "$folder/node_modules" ] && return
    say "Installing npm's clients"
    PATH="$PWD/$venv/bin:$PATH" npm ci --prefix "$folder" --silent --ignore-scripts --no-audit --no-fund
    stamp npm-clients "$hash"
}

# Builds the core and installs the package so that the sources here are what runs. $1: ON builds the C++ tests, too.
install_package() {
    local hash
    hash=$(hash_of pyproject.toml CMakeLists.txt csrc)
    is_stamped package-ON "$hash" && return
    [ "$1" = OFF ] && is_stamped package-OFF "$hash" && return
    # In the environment and not in pip's throw-away one: a change of one file then compiles one file.
    local -a tools
    mapfile -t tools < <("$python" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")')
    cmake --version 2>/dev/null | grep -qE 'version (3\.(2[5-9]|[3-9][0-9])|[4-9])' || tools+=("cmake>=3.25")
    command -v ninja >/dev/null || tools+=(ninja)
    pip_install "${tools[@]}"
    say "Building the core (a minute or two on two cores; later only what has changed)"
    rm -f "$stamps"/package-*
    local log=$build/install.log
    mkdir -p "$build"
    if ! PATH="$PWD/$venv/bin:$PATH" CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" \
        "$python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation --verbose \
        --config-settings=build-dir="$build" --config-settings=cmake.define.SPATZ_TESTS="$1" \
        --editable . >"$log" 2>&1; then
        grep -E 'error|Error' "$log" | head -n 20 >&2 || true
        fail "the build failed; all of its output is in $log"
    fi
    stamp "package-$1" "$hash"
}
