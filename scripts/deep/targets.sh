# shellcheck shell=bash
# shellcheck disable=SC2154 # target, work and host are those of scripts/check-deep
# check-deep musl, aarch64, miri: what takes a standard library, or a component, that few toolchains have at once.

# std_for TARGET: sets build_std to what cargo needs for it: nothing where the toolchain has its standard library, -Zbuild-std where it has the
# sources of that (the option is not stable; RUSTC_BOOTSTRAP lets every cargo have it). Fails where it has neither.
std_for() {
    local folder
    folder=$(rustc --print sysroot)/lib/rustlib
    build_std=()
    if [[ -z $(find "$folder/$1/lib" -name 'libstd-*.rlib' 2>/dev/null) ]]; then
        [[ -e $folder/src/rust/library/Cargo.lock ]] || return 1
        build_std=(-Zbuild-std)
        export RUSTC_BOOTSTRAP=1
    fi
}

# Without a linker for it: what can be compiled, can be.
check_aarch64() {
    local triple=aarch64-unknown-linux-gnu
    if ! std_for $triple; then
        not_checked "aarch64, because this toolchain has no standard library for it (rustup target add $triple)"
        return
    fi
    check 'aarch64: the library, with its tests' cargo check --locked "${build_std[@]}" --target $triple --target-dir "$target/elsewhere" \
        --lib --tests
    check 'aarch64: without the C interface' cargo check --locked "${build_std[@]}" --target $triple --target-dir "$target/elsewhere" \
        --lib --no-default-features
    check 'aarch64: the static library' cargo rustc --locked "${build_std[@]}" --target $triple --target-dir "$target/elsewhere" \
        --lib --crate-type staticlib
}

# musl_cargo COMMAND...: cargo for musl. A standard library that was built here comes without musl's own start files and unwinder: musl-gcc
# has the first. gcc's unwinder does the same as the other, if it was not built for a glibc that has _dl_find_object (2.35): then
# MUSL_UNWINDER names another one, LLVM's libunwind.a for instance.
musl_cargo() {
    local command=$1 settings=()
    shift
    if ((${#build_std[@]})); then
        settings=(CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=musl-gcc
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS=-Clink-self-contained=no -Lnative=$work/musl")
    fi
    env "${settings[@]}" cargo "$command" --locked "${build_std[@]}" --target x86_64-unknown-linux-musl --target-dir "$target/elsewhere" "$@"
}

check_musl() {
    local triple=x86_64-unknown-linux-musl
    if [[ $host == "$triple" ]]; then
        not_checked 'musl beside another C library, because this system has it: make test has tested with it'
        return
    fi
    if ! command -v musl-gcc >/dev/null; then
        not_checked 'musl, because musl-gcc is not installed (Debian: musl-tools)'
        return
    fi
    if ! std_for $triple; then
        not_checked "musl, because this toolchain has no standard library for it (rustup target add $triple)"
        return
    fi
    mkdir -p "$work/musl"
    local unwinder=${MUSL_UNWINDER:-$(gcc -print-file-name=libgcc_eh.a)}
    cp "$unwinder" "$work/musl/libunwind.a"
    check 'musl: unit tests' musl_cargo test --lib
    check 'musl: the Rust interface' musl_cargo test --test cluster
    check 'musl: the static library' musl_cargo rustc --lib --crate-type staticlib
    library=$target/elsewhere/$triple/debug/libecewo_cluster.a
    check_musl_in_c
}

# Programs of C tests that show every part of the library.
musl_tests=(start_and_stop init_twice states worker_identity cleared_environment crash_window own_children signal_reaches_all handler_calls
    restart_serves restart_slots queue_survives announces_close adopts_every_address fork_below hostile_worker worker_misbehaves)

# They need a libuv that was built with musl, and the headers of the kernel (linux, asm, asm-generic): MUSL_PREFIX is the folder with their
# include and lib.
check_musl_in_c() {
    local folder=$target/c-tests-musl prefix=${MUSL_PREFIX:-} name
    if [[ -z $prefix ]]; then
        not_checked 'C tests with musl, because MUSL_PREFIX names no folder with a libuv that was built with musl-gcc (docs/reliability.md)'
        return
    fi
    quietly cmake -S c-tests -B "$folder" -DCMAKE_C_COMPILER=musl-gcc -DCLUSTER_INCLUDE_DIR="$PWD/include" -DCLUSTER_LIBRARY="$library" \
        -DUV_INCLUDE_DIR="$prefix/include" -DUV_LIBRARY="$prefix/lib/libuv.a" -DCMAKE_C_FLAGS="-static -idirafter $prefix/include" \
        -DCLUSTER_LINK_LIBRARIES="$work/musl/libunwind.a"
    quietly cmake --build "$folder" --parallel "$(nproc)" --target "${musl_tests[@]}"
    for name in "${musl_tests[@]}"; do
        check "musl: $name" run_test "$folder" "$name"
    done
}

# Miri interprets: no system calls but the simplest, and no C library. So what is pure is run, and of the simulator one history.
check_miri() {
    if ! cargo +nightly miri --version >/dev/null 2>&1; then
        not_checked 'core, arguments and messages under Miri, because it is not installed (rustup +nightly component add miri rust-src)'
        return
    fi
    check 'miri' env MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked --lib --no-default-features \
        --target-dir "$target/miri" -- core:: wire:: worker::entry --skip sim:: --skip random::
}
