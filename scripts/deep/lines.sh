# shellcheck shell=bash
# shellcheck disable=SC2154 # target, work and host are those of scripts/check-deep
# check-deep lines: which lines of src/ run in the C tests, and in the unit tests. A number to look at, and no test of its own: what is named here
# is not for that reason tested, and what is not may be impossible to reach.

# llvm_tool NAME: from the toolchain (rustup component add llvm-tools), or the system's of the same version of LLVM.
llvm_tool() {
    local version candidate
    version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    for candidate in "$(rustc --print sysroot)/lib/rustlib/$host/bin/$1" "/usr/lib/llvm-$version/bin/$1" "${LLVM_BIN:-/nowhere}/$1"; do
        if [[ -x $candidate ]]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Counters live in the profile's file, not in memory: so workers that end by _exit or SIGKILL have told what they ran (%c). All processes of
# a program share a file (%m).
check_lines() {
    local profdata cov flags profiles=$work/profiles folder=$target/c-tests-lines binary status=0
    if ! profdata=$(llvm_tool llvm-profdata) || ! cov=$(llvm_tool llvm-cov); then
        not_checked 'lines, because llvm-profdata and llvm-cov are not there in the version of rustc (rustup component add llvm-tools)'
        return
    fi
    flags='-Cinstrument-coverage -Cllvm-args=-runtime-counter-relocation'
    rm -rf "$profiles"
    mkdir -p "$profiles"
    export LLVM_PROFILE_FILE=$profiles/%m%c.profraw
    quietly env "$(flags_for "$flags")" cargo test --locked --lib --no-run --target "$host" --target-dir "$target/lines"
    binary=$(find "$target/lines/$host/debug/deps" -name 'ecewo_cluster-*' -type f -perm -u+x -newer "$profiles" | head -n 1)
    check 'lines: unit tests' env "$(flags_for "$flags")" cargo test --locked --lib --target "$host" --target-dir "$target/lines"
    quietly env "$(flags_for "$flags")" cargo rustc --locked --lib --crate-type cdylib --target "$host" --target-dir "$target/lines"
    library=$target/lines/$host/debug/libecewo_cluster.so
    build_tests "$folder" '-O1'
    # A test or two may mind the counters (a limit of memory, of descriptors, a root that cannot be written): what counts is what ran.
    CT_TIME_FACTOR=3 ctest --test-dir "$folder" --parallel 4 >"$work/lines-ctest.log" 2>&1 || status=$?
    echo "lines: C tests: $(grep 'tests passed' "$work/lines-ctest.log") (exit $status)"
    "$profdata" merge --sparse --failure-mode=all -o "$work/lines.profdata" "$profiles"/*.profraw
    "$cov" report --instr-profile "$work/lines.profdata" --object "$library" --object "$binary" "$PWD/src" >"$work/lines.txt"
    awk '/^TOTAL/ { printf "lines: %d of %d lines of src/ have run (%s)\n", $8 - $9, $8, $10 }' "$work/lines.txt"
    echo "lines: by file: $work/lines.txt"
}
