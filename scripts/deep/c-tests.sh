# shellcheck shell=bash
# shellcheck disable=SC2154 # target, work and host are those of scripts/check-deep
# What the parts of check-deep share that run C tests. The caller has set target, work and host.

quietly() {
    if ! "$@" >"$work/build.log" 2>&1; then
        tail -n 40 "$work/build.log"
        return 1
    fi
}

# build_library: as it is for development: overflows and what the standard library asserts are checked in it. More arguments go to env, for it to
# be built with other flags; then it is another file. Sets `library`.
build_library() {
    if (($# == 0)); then
        quietly cargo rustc --locked --lib --crate-type staticlib --target-dir "$target"
        library=$target/debug/libecewo_cluster.a
    else
        quietly env "$@" cargo rustc --locked --lib --crate-type staticlib --target "$host" --target-dir "$target"
        library=$target/$host/debug/libecewo_cluster.a
    fi
}

# flags_for FLAGS: such a setting. They are the target's alone: build scripts and their crates are those of `cargo test`.
flags_for() {
    printf 'CARGO_TARGET_%s_RUSTFLAGS=%s' "$(tr 'a-z-' 'A-Z_' <<<"$host")" "$1"
}

# build_tests FOLDER FLAGS [TEST...]: C tests, all of them if none is named, with `library`.
build_tests() {
    local folder=$1 flags=$2 native targets=()
    shift 2
    (($# == 0)) || targets=(--target "$@")
    quietly cmake -S . -B "$target/cmake-build" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target"
    native=$(sed -n 's/^ECEWO_CLUSTER_NATIVE_ANSWER:INTERNAL=//p' "$target/cmake-build/CMakeCache.txt")
    quietly cmake -S c-tests -B "$folder" -DCLUSTER_INCLUDE_DIR="$PWD/include" -DCLUSTER_LIBRARY="$library" \
        -DCLUSTER_LINK_LIBRARIES="$native" -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags"
    quietly cmake --build "$folder" --parallel "$(nproc)" "${targets[@]}"
}

# run_test FOLDER NAME: a test's program, wherever it is; it ends itself when its time is over.
run_test() {
    local program
    program=$(find "$1" -type f -name "$2" -perm -u+x | head -n 1)
    [[ -n $program ]] || say_and_fail "there is no test $2"
    "$program"
}
