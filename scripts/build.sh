# SPDX-License-Identifier: Apache-2.0
# Sourced by ./dev and scripts/check: what is needed, and how a build folder comes to be.
# Needs ROOT to be set to the top of the source.
JOBS=$(nproc)

PACKAGES_BUILD="gcc make libc6-dev autoconf automake pkg-config libmicrohttpd-dev libjansson-dev libuv1-dev
    libopenblas-pthread-dev libcurl4-openssl-dev libsqlite3-dev nettle-dev zlib1g-dev check"
PACKAGES_TEST="libonnx-testdata python3 curl systemd procps valgrind cppcheck"
PACKAGES_BENCH="python3-torch python3-torchvision python3-venv python3-pip wrk"
PACKAGES_FUZZ="clang libclang-rt-14-dev"

say() { printf '== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need PACKAGES: installs those that are missing, as root or through sudo.
need() {
    local missing=() package sudo=()
    for package in $1; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "packages are missing: ${missing[*]} (run as root, or install sudo)"
        sudo=(sudo)
    fi
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        "${missing[@]}" >/dev/null
}

# configure_in DIR [OPTIONS]: makes configure when its sources are newer, and runs it when that is.
configure_in() {
    local dir=$1 sources
    shift
    need "$PACKAGES_BUILD"
    cd "$ROOT" || return
    sources=$(find configure.ac Makefile.am ./*/local.mk ./*/*/local.mk ./*/*/*/local.mk)
    # shellcheck disable=SC2086
    if [ ! -x configure ] || [ -n "$(find $sources -newer configure)" ]; then
        say "autogen"
        ./autogen.sh >.autogen.log 2>&1 || { cat .autogen.log >&2; return 1; }
        rm -f .autogen.log
    fi
    mkdir -p "$dir"
    if [ ! -f "$dir/config.status" ] || [ configure -nt "$dir/config.status" ]; then
        say "configure in $dir"
        (cd "$dir" && "$ROOT/configure" -q --enable-werror "$@")
    fi
}

# make_in DIR TARGET...
make_in() {
    local dir=$1
    shift
    make -s -C "$ROOT/$dir" -j"$JOBS" "$@"
}
