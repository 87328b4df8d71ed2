# shellcheck shell=bash disable=SC2154,SC2164 # the variables are those of scripts/test-packages; "check" has set -e
# The same with other versions of CMake, from the wheels that pip finds: the oldest that is promised (contract 9.1) and the newest.

# In this order, the first that there is for this machine.
oldest_cmakes='3.14.4.post1 3.16.8 3.18.4.post1 3.20.5'

# The newest wheel that an earlier run has left there.
kept_wheel() {
    find "$1" -name 'cmake-*.whl' | sort -V | tail -n 1
}

# fetch_cmake KIND [VERSION]: puts a CMake into $work/cmake-KIND and prints its version. The wheel is kept from one run to the
# next; the newest is asked for anew.
fetch_cmake() {
    local folder=$work/cmake-$1 wheels=$target/packages/wheels/$1 wheel
    mkdir -p "$wheels"
    if [[ $1 == newest || -z $(kept_wheel "$wheels") ]]; then
        timeout 120 python3 -m pip download --quiet --disable-pip-version-check --no-input --retries 1 --timeout 15 --no-deps \
            --only-binary=:all: --dest "$wheels" "cmake${2:+==$2}" >"$work/pip.log" 2>&1 || true
    fi
    wheel=$(kept_wheel "$wheels")
    [[ -n $wheel ]] || return 1
    python3 -m zipfile -e "$wheel" "$folder"
    chmod +x "$folder"/cmake/data/bin/*
    "$folder/cmake/data/bin/cmake" --version | sed -n 's/^cmake version //p'
}

# Without the newest there is no network, and only a kept wheel will do.
oldest_cmake() {
    local version
    [[ -n $(kept_wheel "$target/packages/wheels") ]] || return 1
    for version in $oldest_cmakes; do
        fetch_cmake oldest "$version" && return
    done
    return 1
}

# CMake 3.14 has no `cmake --install`.
install_with_this_cmake() {
    cmake -S . -B "$work/with $cmake_version" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target" -DCMAKE_INSTALL_PREFIX="$work/prefix $cmake_version"
    cmake --build "$work/with $cmake_version" --target install
    cd "$work"
    diff -r "$moved" "prefix $cmake_version" --exclude='*.a' --exclude='*.so*' --exclude='*.cmake'
}

ecewo_app_with_source_dir() {
    with_cmake ecewo-app "$1" "$2" -DFETCHCONTENT_SOURCE_DIR_ECEWO="$standin" -DFETCHCONTENT_SOURCE_DIR_ECEWO-CLUSTER="$repository" \
        -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target"
}

# An app that asks in another way: with a version, or by the functions that came later.
ecewo_app_asks_by() {
    local folder
    folder=$(copy_project ecewo-app)
    sed -i "s/^ecewo_plugin(cluster)\$/$1/" "$folder/CMakeLists.txt"
    grep -F "$1" "$folder/CMakeLists.txt"
    configure "$folder" -DFETCHCONTENT_SOURCE_DIR_ECEWO="$standin" -DFETCHCONTENT_SOURCE_DIR_ECEWO-CLUSTER="$repository" \
        -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target"
    cmake --build "$folder/build"
    serves "$folder/build/app"
}

ecewo_app_with_find_package() {
    with_cmake ecewo-app "$1" Ninja -DFETCHCONTENT_SOURCE_DIR_ECEWO="$standin" -DCMAKE_PREFIX_PATH="$moved" \
        -DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=ALWAYS
}

# with_project_include KIND VARIABLE: CMake before 3.15 has one for each project only.
ecewo_app_with_project_include() {
    with_cmake ecewo-app "$1" Ninja -DFETCHCONTENT_SOURCE_DIR_ECEWO="$standin" \
        "-D$2=$moved/lib/cmake/ecewo-cluster/project-include.cmake"
}

# checks_with_cmake NAME: what differs from one CMake to the other. The library itself is built already.
checks_with_cmake() {
    local name="CMake $cmake_version ($1)"
    try "$name: install" install_with_this_cmake
    try "$name: find_package, C" with_cmake find-package static 'Unix Makefiles' -DCMAKE_PREFIX_PATH="$work/prefix $cmake_version"
    try "$name: find_package, C++, shared" with_cmake find-package-cpp shared Ninja -DCMAKE_PREFIX_PATH="$work/prefix $cmake_version"
    try "$name: add_subdirectory" with_cmake subdirectory static Ninja \
        -DREPOSITORY="$repository" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target"
    try "$name: FetchContent" with_cmake fetch-content shared 'Unix Makefiles' \
        -DREPOSITORY="$repository" -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target"
    try "$name: an app of ecewo's, FETCHCONTENT_SOURCE_DIR" ecewo_app_with_source_dir static Ninja
    if has_cmake 3.24; then
        try "$name: an app of ecewo's, FETCHCONTENT_TRY_FIND_PACKAGE_MODE" ecewo_app_with_find_package static
    fi
    if has_cmake 3.15; then
        try "$name: an app of ecewo's, CMAKE_PROJECT_INCLUDE" ecewo_app_with_project_include static CMAKE_PROJECT_INCLUDE
    else
        try "$name: an app of ecewo's, CMAKE_PROJECT_app_INCLUDE" ecewo_app_with_project_include static CMAKE_PROJECT_app_INCLUDE
    fi
}

checks_with_other_cmakes() {
    local which cmake_version path=$PATH
    if ! python3 -m pip --version >/dev/null 2>&1 || ! python3 -m zipfile -h >/dev/null 2>&1; then
        not_checked 'the oldest and the newest CMake: python3 with pip is not installed'
        return
    fi
    for which in newest oldest; do
        if [[ $which == oldest ]]; then
            cmake_version=$(oldest_cmake) || cmake_version=
        else
            cmake_version=$(fetch_cmake newest) || cmake_version=
        fi
        if [[ -z $cmake_version ]]; then
            not_checked "the $which CMake: pip could not fetch it ($(tail -n 1 "$work/pip.log"))"
            continue
        fi
        PATH=$work/cmake-$which/cmake/data/bin:$path
        checks_with_cmake "$which"
        PATH=$path
    done
}
