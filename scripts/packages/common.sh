# shellcheck shell=bash disable=SC2154,SC2164 # the variables are those of scripts/test-packages; "check" has set -e
# What the checks of scripts/test-packages share: projects, programs that have to serve, and the one installation.

# A copy of a project of tests/packages with the programs in it; prints the folder, whose name has spaces in it.
copy_project() {
    local folder
    folder=$(mktemp -d "$work/project with spaces.XXXXXX")/$1
    cp -r "tests/packages/$1" "$folder"
    cp tests/packages/app.c tests/packages/app.cpp "$folder"
    echo "$folder"
}

# serves PROGRAM: all three workers answer; so do their replacements after a graceful restart; SIGTERM ends the program
# with 0; nothing is left. The program does not set SO_REUSEPORT: without the library's own bind only one worker could
# listen.
serves() {
    local program=$1 port master pids
    # shellcheck disable=SC2064 # the name of now
    trap "end_processes_of '$program'" EXIT
    port=$("$PROBE" port)
    "$program" "$port" &
    master=$!
    pids=$(answered_by_workers "$port" 3)
    kill -USR2 "$master"
    wait_until 30 all_replaced "$port" 3 "$pids" || say_and_fail 'SIGUSR2 did not replace all the workers'
    stop_with TERM "$master" 20 "$program"
}

# configure FOLDER [OPTION...]: without a warning of CMake's. To FOLDER/build.
configure() {
    local folder=$1 log=$1/configure.log
    shift
    cmake -S "$folder" -B "$folder/build" "$@" >"$log" 2>&1 || say_and_fail "$(cat "$log")"
    cat "$log"
    ! grep -E 'CMake .*(Warning|Error)' "$log" || say_and_fail 'CMake has something to complain of'
}

is_linked_with_shared() {
    LC_ALL=C readelf -d "$1" | grep -qF 'libecewo_cluster.so'
}

# with_cmake PROJECT KIND GENERATOR [OPTION...]: the project is built and serves. Leaves the program's name in $app.
with_cmake() {
    local project=$1 kind=$2 generator=$3 folder shared=OFF
    shift 3
    [[ $kind == static ]] || shared=ON
    folder=$(copy_project "$project")
    configure "$folder" -G "$generator" -DECEWO_CLUSTER_BUILD_SHARED=$shared "$@"
    cmake --build "$folder/build"
    app=$folder/build/app
    if is_linked_with_shared "$app"; then
        [[ $kind == shared ]] || say_and_fail 'it should have been linked statically'
    else
        [[ $kind == static ]] || say_and_fail 'it should have been linked with the shared library'
    fi
    serves "$app"
}

# A second build links nothing again.
with_cmake_and_again() {
    local before
    with_cmake "$@"
    before=$(stat -c %Y.%y "$app")
    cmake --build "$(dirname "$app")"
    test "$before" = "$(stat -c %Y.%y "$app")" || say_and_fail 'the program was linked again without a reason'
}

# Really without a dynamic linker, as -static and -static-pie promise.
with_cmake_and_no_interpreter() {
    with_cmake "$@"
    ! LC_ALL=C readelf -lW "$app" | grep -F INTERP || say_and_fail 'it is not fully static'
}

# The copy of the repository that somebody would have cloned. Its place is always the same and files keep their times, so that
# cargo builds there only what has changed.
make_clone() {
    rm -rf "$clone"
    mkdir -p "$clone"
    tar -c --exclude=./target --exclude=./build --exclude=./.git . | tar -x -C "$clone"
    ln -s "$target" "$clone/target"
}

version_of_library() {
    sed -n 's/^version *= *"\(.*\)"/\1/p' Cargo.toml
}
