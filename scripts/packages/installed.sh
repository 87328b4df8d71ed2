# shellcheck shell=bash disable=SC2154,SC2164 # the variables are those of scripts/test-packages; "check" has set -e
# Checks of the installed package (contract 9.2 a, 9.5) and of how cargo is called for it.

# A cargo that notes what it is asked for.
make_recording_cargo() {
    mkdir -p "$work/recording"
    printf '#!/bin/sh\nprintf "%%s\\n" "$*" >>"%s"\nexec "%s" "$@"\n' "$work/recording/log" "$(command -v cargo)" \
        >"$work/recording/cargo"
    chmod +x "$work/recording/cargo"
}

install_package() {
    make_recording_cargo
    touch "$work/before-install"
    cmake -S . -B "$work/build of the package" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target" -DCMAKE_INSTALL_PREFIX="$work/prefix" \
        -DECEWO_CLUSTER_CARGO="$work/recording/cargo"
    cmake --build "$work/build of the package"
    cmake --install "$work/build of the package"
    mv "$work/prefix" "$moved" # it can be moved: all that follows uses it here
}

# The sources may lie on a file system that cannot be written.
building_leaves_the_sources_alone() {
    local changed
    changed=$(find . -newer "$work/before-install" -type f -not -path './target/*' -not -path './build/*' -not -path './.git/*')
    [[ -z $changed ]] || say_and_fail "written while it was built: $changed"
}

# Several in one build would switch link-time optimization off; without it the archive has Rust's standard library in
# object files of its own.
one_crate_type_a_build() {
    local line calls=0 members
    while read -r line; do
        [[ $line == rustc\ * ]] || continue
        calls=$((calls + 1))
        [[ $line == *--crate-type*  && $line != *--crate-type*--crate-type* ]] || say_and_fail "not one crate type: $line"
        [[ $line == *--locked* ]] || say_and_fail "not --locked: $line"
    done <"$work/recording/log"
    ((calls == 2)) || say_and_fail "$calls builds, not one for the static and one for the shared library"
    members=$(ar t "$moved/lib/libecewo_cluster.a")
    ! grep -E '^(std|core|alloc)-' <<<"$members" || say_and_fail 'the static library is not optimized as a whole'
}

files_of() {
    (cd "$1" && find . -type f -o -type l) | LC_ALL=C sort
}

# docs/benchmarks.md has the aim; this is the limit, with room for other compilers.
shared_library_is_small() {
    local stripped=$work/stripped.so size
    strip -o "$stripped" "$moved/lib/libecewo_cluster.so"
    size=$(stat -c %s "$stripped")
    echo "$size bytes"
    ((size <= 800000)) || say_and_fail "the stripped shared library has $size bytes"
}

installed_files_are_right() {
    local library=$moved/lib/libecewo_cluster.so version
    version=$(version_of_library)
    diff - <(files_of "$moved") <<EOF || say_and_fail 'not these files are installed'
./include/ecewo-cluster.h
./include/ecewo-cluster/v0.1/ecewo-cluster.h
./include/ecewo-cluster/v0.2/ecewo-cluster.h
./lib/cmake/ecewo-cluster/ecewo-cluster-config-version.cmake
./lib/cmake/ecewo-cluster/ecewo-cluster-config.cmake
./lib/cmake/ecewo-cluster/fetched/CMakeLists.txt
./lib/cmake/ecewo-cluster/generations.cmake
./lib/cmake/ecewo-cluster/plugin-functions.cmake
./lib/cmake/ecewo-cluster/project-include.cmake
./lib/cmake/ecewo-cluster/target.cmake
./lib/libecewo_cluster.a
./lib/libecewo_cluster.so
./lib/libecewo_cluster.so.${version%%.*}
./lib/libecewo_cluster.so.$version
./lib/pkgconfig/ecewo-cluster.pc
./share/doc/ecewo-cluster/copyright
EOF
    cmp include/ecewo-cluster.h "$moved/include/ecewo-cluster.h"
    test ! -L "$library.$version"
    test "$(readlink -f "$library")" = "$(realpath "$moved")/lib/libecewo_cluster.so.$version"
    test "$(readlink -f "$library.${version%%.*}")" = "$(readlink -f "$library")"
    LC_ALL=C readelf -d "$library" | grep -F "Library soname: [libecewo_cluster.so.${version%%.*}]"
    ! grep -rlF -e "$work" -e "$repository" "$moved/lib/cmake" "$moved/lib/pkgconfig" ||
        say_and_fail 'these files name a folder of this machine'
}

# Those of the installed library; tests/exports.rs looks at the one that cargo makes.
installed_symbols_are_the_listed_ones() {
    diff tests/exported-symbols.txt <(nm -D --defined-only --format=posix "$moved/lib/libecewo_cluster.so" |
        sed 's/[ @].*//' | LC_ALL=C sort -u)
}

# found VERSION: whether find_package(ecewo-cluster VERSION) takes the installed package.
found() {
    local folder=$work/version
    rm -rf "$folder"
    mkdir "$folder"
    printf 'cmake_minimum_required(VERSION 3.14)\nproject(version LANGUAGES C)\nfind_package(ecewo-cluster %s REQUIRED)\n' "$1" \
        >"$folder/CMakeLists.txt"
    cmake -S "$folder" -B "$folder/build" -DCMAKE_PREFIX_PATH="$moved"
}

version_file_is_right() {
    local version accepted refused major rest
    version=$(version_of_library)
    major=${version%%.*} rest=${version#*.}
    for accepted in "" "$version" "$version EXACT" "$major.${rest%%.*}" "$major.0"; do
        found "$accepted" || say_and_fail "version '$accepted' was not found"
    done
    for refused in "$((major + 1))" "$major.999" "$version.1"; do
        if found "$refused"; then
            say_and_fail "version $refused was found"
        fi
    done
    PKG_CONFIG_PATH=$moved/lib/pkgconfig pkg-config --print-errors --exists "ecewo-cluster = $version"
}

staged_install() {
    cmake -S . -B "$work/staged" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target" -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_LIBDIR=lib64
    cmake --build "$work/staged"
    DESTDIR=$work/stage cmake --install "$work/staged"
    test -f "$work/stage/usr/lib64/libecewo_cluster.a"
    test -f "$work/stage/usr/lib64/cmake/ecewo-cluster/ecewo-cluster-config.cmake"
    test -f "$work/stage/usr/include/ecewo-cluster.h"
    PKG_CONFIG_PATH=$work/stage/usr/lib64/pkgconfig pkg-config --print-errors --exists "ecewo-cluster >= 0.1"
    # By its own name: not every CMake looks below lib64.
    with_cmake find-package shared Ninja -Decewo-cluster_DIR="$work/stage/usr/lib64/cmake/ecewo-cluster"
}

# A folder for libraries that is not below the prefix; found by its own name then.
install_to_absolute_folders() {
    cmake -S . -B "$work/absolute" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target" -DCMAKE_INSTALL_PREFIX="$work/absolute prefix" \
        -DCMAKE_INSTALL_LIBDIR="$work/absolute-lib" -DCMAKE_INSTALL_INCLUDEDIR="$work/absolute-include"
    cmake --build "$work/absolute"
    cmake --install "$work/absolute"
    with_cmake find-package static Ninja -Decewo-cluster_DIR="$work/absolute-lib/cmake/ecewo-cluster"
    # shellcheck disable=SC2046 # its words are arguments
    PKG_CONFIG_PATH=$work/absolute-lib/pkgconfig eval \
        '$cc tests/packages/app.c $(pkg-config --cflags --libs ecewo-cluster) -o "$work/absolute-app"'
    LD_LIBRARY_PATH=$work/absolute-lib serves "$work/absolute-app"
}

# words ARGUMENT...: each library once, without -l, and without those that the C compiler adds by itself.
words() {
    printf '%s\n' "$@" | sed 's/^-l//' | grep -vxE 'gcc_s|c|ecewo_cluster|' | LC_ALL=C sort -u | tr '\n' ' '
}

# contract 9.5: what a program has to link besides the static library is what rustc says of this very library.
native_libraries_are_those_of_rustc() {
    local said packaged pc
    said=$(cd "$clone" && cargo rustc --locked --lib --crate-type staticlib --target-dir "$target" -- \
        --print native-static-libs 2>&1 | sed -n 's/.*native-static-libs: *//p')
    [[ -n $said ]] || say_and_fail 'rustc did not say'
    packaged=$(sed -n 's/^ECEWO_CLUSTER_NATIVE_ANSWER:INTERNAL=//p' "$work/build of the package/CMakeCache.txt")
    pc=$(PKG_CONFIG_PATH=$moved/lib/pkgconfig pkg-config --static --libs-only-l ecewo-cluster)
    # shellcheck disable=SC2086 # they are words
    {
        echo "rustc: $(words $said)"
        echo "CMake: $(words ${packaged//;/ })"
        echo ".pc:   $(words $pc)"
        test "$(words $said)" = "$(words ${packaged//;/ })"
        test "$(words $said)" = "$(words $pc)"
    }
    grep -F "\"$packaged\"" "$moved/lib/cmake/ecewo-cluster/ecewo-cluster-config.cmake"
}

# refuses PATTERN OPTION...: configuring the repository fails, with a message like that.
refuses() {
    local pattern=$1 output
    shift
    if output=$(cmake -S . -B "$(mktemp -d "$work/refused.XXXXXX")" "$@" 2>&1); then
        say_and_fail 'it was accepted'
    fi
    output=$(tr -s ' \n' ' ' <<<"$output") # CMake breaks lines
    grep -E "$pattern" <<<"$output" || say_and_fail "$output"
}

old_cargo_is_refused() {
    printf '#!/bin/sh\necho "cargo 1.70.0 (0123456789 2023-06-01)"\n' >"$work/old-cargo"
    chmod +x "$work/old-cargo"
    refuses 'needs Rust 1\.85 or newer.*cargo 1\.70\.0' -DECEWO_CLUSTER_CARGO="$work/old-cargo"
}

# On a PATH that has only what compiling C takes.
missing_cargo_is_refused() {
    local tool path
    mkdir "$work/tools"
    for tool in make ld as ar ranlib uname; do
        ln -s "$(command -v $tool)" "$work/tools"
    done
    path=$(command -v cmake)
    cmake() {
        env -u CARGO_HOME HOME=/nonexistent PATH="$work/tools" "$path" "$@"
    }
    refuses 'needs cargo 1\.85 or newer, and no cargo was found' -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF \
        -DCMAKE_C_COMPILER="$(command -v "${cc%% *}")"
}

# cargo_found HOME CARGO_HOME PATH: the cargo that CMake takes then.
cargo_found() {
    local folder
    folder=$(mktemp -d "$work/cargo.XXXXXX")
    # shellcheck disable=SC2016 # CMake expands it
    printf 'cmake_minimum_required(VERSION 3.14)\nproject(find LANGUAGES NONE)\ninclude("%s/cmake/toolchain.cmake")\n%s\n%s\n' \
        "$repository" 'ecewo_cluster_find_cargo()' 'message(STATUS "took ${ECEWO_CLUSTER_CARGO}")' >"$folder/CMakeLists.txt"
    HOME=$1 CARGO_HOME=$2 PATH=$3 cmake -S "$folder" -B "$folder/build" -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF \
        -DECEWO_CLUSTER_RUSTC="$work/cargos/rustc" | sed -n 's/^-- took //p'
}

# The one on PATH comes first; rustup's folder is for shells that do not have it there yet.
cargo_is_found_in_order() {
    local folder system
    for folder in on-path home/.cargo/bin cargo-home/bin; do
        mkdir -p "$work/cargos/$folder"
        printf '#!/bin/sh\necho "cargo 1.99.0 (0123456789 2026-01-01)"\n' >"$work/cargos/$folder/cargo"
        chmod +x "$work/cargos/$folder/cargo"
    done
    printf '#!/bin/sh\necho "rustc 1.99.0 (0123456789 2026-01-01)"\n' >"$work/cargos/rustc"
    chmod +x "$work/cargos/rustc"
    system=$work/cargos/system
    mkdir "$system"
    for folder in cmake make ninja; do
        ln -s "$(command -v $folder)" "$system"
    done
    test "$(cargo_found "$work/cargos/home" "" "$work/cargos/on-path:$system")" = "$work/cargos/on-path/cargo"
    test "$(cargo_found "$work/cargos/home" "$work/cargos/cargo-home" "$work/cargos/on-path:$system")" = "$work/cargos/on-path/cargo"
    test "$(cargo_found "$work/cargos/home" "" "$system")" = "$work/cargos/home/.cargo/bin/cargo"
    test "$(cargo_found "$work/cargos/home" "$work/cargos/cargo-home" "$system")" = "$work/cargos/cargo-home/bin/cargo"
}

# --locked: dependencies that nobody has tried together are not taken silently.
changed_dependencies_are_refused() {
    local folder=$work/unlocked
    cp -r "$clone" "$folder"
    rm "$folder/Cargo.lock"
    cmake -S "$folder" -B "$folder/build of it" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target"
    if cmake --build "$folder/build of it" >"$folder/log" 2>&1; then
        say_and_fail 'it was built'
    fi
    grep -F -e '--locked' "$folder/log" || say_and_fail "$(cat "$folder/log")"
    test ! -e "$folder/Cargo.lock"
}

# One whose configuration sends the library elsewhere: an old library must not be taken silently.
cargo_that_builds_elsewhere_is_noticed() {
    local folder=$work/elsewhere
    mkdir -p "$folder/cargo/release"
    echo 'an old one' | tee "$folder/cargo/release/libecewo_cluster.a" >"$folder/cargo/release/libecewo_cluster.so"
    # shellcheck disable=SC2016 # the script's own $1
    printf '#!/bin/sh\ncase $1 in --version) echo "cargo 1.99.0 (0123456789 2026-01-01)" ;; esac\n' >"$folder/elsewhere"
    chmod +x "$folder/elsewhere"
    cmake -S . -B "$folder/build" -DECEWO_CLUSTER_CARGO="$folder/elsewhere" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$folder/cargo" \
        -DECEWO_CLUSTER_RUSTC="$(command -v rustc)"
    if cmake --build "$folder/build" >"$folder/log" 2>&1; then
        say_and_fail 'something was built'
    fi
    grep -F -e '-DECEWO_CLUSTER_RUST_TARGET=' "$folder/log" || say_and_fail "$(cat "$folder/log")"
}
