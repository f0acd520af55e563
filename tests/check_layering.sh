#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The arrows: clients -> proto <- server -> engine; both libraries -> spec, which is structs alone. Reads every include; run by make check and lint.
# An include is spelled from the root; a system header of a library stays in the folder that owns it.
cd "${srcdir:-.}" || exit 1
failed=0
passed=0

# forbid FOLDERS PATTERN WHY: no file beneath FOLDERS may include what matches.
forbid() {
    # shellcheck disable=SC2086
    found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]+$2" $1 --include='*.c' --include='*.h' |
        grep -v '"config.h"')
    if [ -n "$found" ]; then
        printf '%s\n  %s\n' "$3:" "$found"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}

forbid engine '"(proto|server|clients|tests)/' "engine/ knows tensors and graphs alone"
forbid engine '<(microhttpd|jansson|uv|sqlite3|curl/).*>' "engine/ knows nothing of HTTP, JSON, loops or databases"
forbid proto '"(engine|server|clients|tests)/' "proto/ knows the wire alone"
forbid proto '<(microhttpd|uv|sqlite3|cblas|curl/).*>' "proto/ opens no socket and runs no model"
forbid clients '"(engine|server|tests)/' "clients/ know proto/ alone"
forbid clients '<(microhttpd|uv|cblas).*>' "clients/ are HTTP clients"
forbid server '"(clients|tests)/' "server/ joins engine/ and proto/"
forbid server '"engine/(kernels|ops|onnx|optimise)/' "server/ sees the engine through its public headers"
forbid spec '"(engine|proto|server|clients|tests)/' "spec/ is structs and tables alone"
forbid spec '<(microhttpd|jansson|uv|sqlite3|cblas|curl/|stdio|stdlib).*>' "spec/ is structs and tables alone"
forbid 'engine proto server clients spec' '"[^/"]*"' "includes are spelled from the root"

cblas=$(grep -rlE 'include[[:space:]]+<(cblas|openblas/cblas|lapacke)' engine | grep -v '^engine/kernels/gemm' | grep -v '^engine/kernels/blas')
if [ -n "$cblas" ]; then
    echo "only engine/kernels/gemm.c includes cblas.h: $cblas"
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi
mhd=$(grep -rlE 'include[[:space:]]+<microhttpd' server | grep -v '^server/http/')
if [ -n "$mhd" ]; then
    echo "only server/http/ knows libmicrohttpd: $mhd"
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi

echo "layering: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
