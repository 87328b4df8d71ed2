# shellcheck shell=bash disable=SC2154,SC2164 # the variables are those of scripts/test-packages; "check" has set -e
# Ways in without CMake (contract 9.2 e and f, 9.4), README's, and the Debian package.

with_pkg_config() {
    # shellcheck disable=SC2046 # its words are arguments; eval, because the prefix has a space in its name
    PKG_CONFIG_PATH=$moved/lib/pkgconfig eval "$cc tests/packages/app.c $(PKG_CONFIG_PATH=$moved/lib/pkgconfig \
        pkg-config --cflags --libs ecewo-cluster) -o '$work/pkg-config-app'"
    is_linked_with_shared "$work/pkg-config-app"
    export LD_LIBRARY_PATH=$moved/lib
    serves "$work/pkg-config-app"
}

with_pkg_config_static() {
    local flags app=$work/pkg-config-static-app
    flags=$(PKG_CONFIG_PATH=$moved/lib/pkgconfig pkg-config --static --cflags --libs ecewo-cluster)
    eval "$cc tests/packages/app.c -static $flags -o '$app'"
    ! LC_ALL=C readelf -lW "$app" | grep -F INTERP || say_and_fail 'it is not fully static'
    serves "$app"
}

# traced_link LIBRARY: in a fully static program the C library's functions of the same names must not win. late.c stands for
# a library that comes later on the command line and calls functions that the program itself does not.
static_program_has_our_calls() {
    local library=$1 name trace=() foreign
    while read -r name; do
        trace+=("-Wl,-y,$name")
    done <tests/exported-symbols.txt
    $cc -c tests/packages/late.c -o "$work/late.o"
    ar rcs "$work/liblate.a" "$work/late.o"
    $cc -Iinclude tests/packages/app.c -static -Wl,-u,late "${trace[@]}" "$library" "$work/liblate.a" -lpthread -ldl -lm \
        -o "$work/traced" >"$work/trace" 2>&1 || say_and_fail "$(cat "$work/trace")"
    for name in bind accept read close epoll_wait writev splice; do
        grep -F "libecewo_cluster.a" "$work/trace" | grep "definition of $name\$" || say_and_fail "$name is not the library's own"
    done
    foreign=$(grep 'definition of ' "$work/trace" | grep -vF 'libecewo_cluster.a' || true)
    [[ -z $foreign ]] || say_and_fail "not the library's own: $foreign"
}

# contract 9.4: what a plain `cargo build` makes.
plain_cargo_and_cc() {
    (cd "$clone" && cargo build --release --locked --target-dir "$target")
    $cc -Iinclude tests/packages/app.c "$target/release/libecewo_cluster.a" -lpthread -ldl -lm -o "$work/plain-static"
    $cc -Iinclude tests/packages/app.c -L"$target/release" -lecewo_cluster -o "$work/plain-shared"
    ! LC_ALL=C readelf -d "$target/release/libecewo_cluster.so" | grep -F SONAME || say_and_fail 'it has a SONAME'
    serves "$work/plain-static"
    export LD_LIBRARY_PATH=$target/release
    serves "$work/plain-shared"
}

# readme_block HEADING LANGUAGE N: the N-th block of code in that language below that heading.
readme_block() {
    awk -v heading="$1" -v fence="\`\`\`$2" -v wanted="$3" '
        /^#/ && !inside { below = ($0 == heading) }
        inside && /^```$/ { inside = 0; next }
        inside { if (n == wanted && below && ours) print; next }
        /^```/ { inside = 1; ours = (below && $0 == fence); if (ours) n++ }' README.md
}

# Each block of these two sections is run by one of the checks below.
readme_has_the_blocks_that_are_run() {
    local found
    found=$(awk '/^#/ && !inside { below = ($0 == "## Use it" || $0 == "### From Rust") }
        inside && /^```$/ { inside = 0; next } inside { next } /^```/ { inside = 1; if (below) print substr($0, 4) }' README.md |
        tr '\n' ' ')
    # Those in Rust are run by scripts/test-rust.
    test "$found" = 'c sh sh cmake cmake sh sh rust rust ' ||
        say_and_fail "README has these blocks: $found; scripts/packages/ways.sh has to run each of them"
}

# README's program, but for its port: app.c and main.rs take what is free.
readme_program() {
    local port=$1 language=$2 heading=$3
    readme_block "$heading" "$language" 1 | sed "s/3000/$port/" | grep -F "$port" -C 1000
}

# answers_as_in_readme PROGRAM PORT: it serves, and ends.
answers_as_in_readme() {
    local program=$1 port=$2 master
    # shellcheck disable=SC2064 # the name of now
    trap "end_processes_of '$program'" EXIT
    "$program" &
    master=$!
    wait_until 30 answers_once "$port" || say_and_fail 'no worker has answered'
    stop_with TERM "$master" 20 "$program"
}

answers_once() {
    "$PROBE" get "$1" / 2>/dev/null | grep -E '^worker [0-9]+'
}

# at_home FOLDER LINES: as a person types them, with a home of its own.
at_home() {
    mkdir -p "$work/home"
    (
        cd "$1"
        export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
        HOME=$work/home bash -euo pipefail -c "$2"
    )
}

# In the clone, with the program beside, whose port is $port.
in_readme_clone() {
    port=$("$PROBE" port)
    readme_program "$port" c '## Use it' >"$clone/app.c"
    at_home "$clone" "$1"
}

readme_gcc_alone() {
    local block port
    block=$(readme_block '## Use it' sh 1)
    test "$(tail -n 1 <<<"$block")" = ./app
    in_readme_clone "$(head -n -1 <<<"$block")"
    answers_as_in_readme "$clone/app" "$port"
}

# The build folder that the block makes is configured beforehand, so that it shares cargo's folder and builds quickly.
readme_cmake_install() {
    local port
    (cd "$clone" && rm -rf build && cmake -B build -DECEWO_CLUSTER_CARGO_TARGET_DIR="$target" -DECEWO_CLUSTER_CARGO_PROFILE=dev)
    in_readme_clone "$(readme_block '## Use it' sh 2)"
    test -f "$work/home/.local/lib/cmake/ecewo-cluster/ecewo-cluster-config.cmake"
}

# readme_cmake N OPTION...: a project whose lines are those of the N-th CMake block.
readme_cmake() {
    local folder=$work/readme-cmake-$1 n=$1 port block
    shift
    port=$("$PROBE" port)
    mkdir "$folder"
    ln -s "$clone" "$folder/ecewo-cluster"
    readme_program "$port" c '## Use it' >"$folder/app.c"
    block=$(readme_block '## Use it' cmake "$n")
    [[ -n $block ]]
    {
        echo 'cmake_minimum_required(VERSION 3.14)'
        echo 'project(app LANGUAGES C)'
        # The target is there before it is linked.
        sed '/target_link_libraries/,$d' <<<"$block"
        echo 'add_executable(app app.c)'
        sed -n '/target_link_libraries/,$p' <<<"$block"
    } >"$folder/CMakeLists.txt"
    configure "$folder" "$@"
    cmake --build "$folder/build"
    answers_as_in_readme "$folder/build/app" "$port"
}

readme_pkg_config() {
    local port
    in_readme_clone "$(readme_block '## Use it' sh 4)"
    LD_LIBRARY_PATH=$work/home/.local/lib answers_as_in_readme "$clone/app" "$port"
}

# The lines that configure an app of ecewo's, one after the other, with a stand-in of ecewo and what makes it quick.
readme_ecewo_app() {
    local folder line n=0
    while read -r line; do
        [[ $line == cmake\ * ]] || continue
        n=$((n + 1))
        if [[ $line == *TRY_FIND_PACKAGE* ]] && ! has_cmake 3.24; then
            continue # the check 'contract 9.2 d' says that it is not checked
        fi
        folder=$(copy_project ecewo-app)
        line=${line%%#*}
        line=${line//"<this repository>"/"'$clone'"}
        at_home "$folder" "$line -DFETCHCONTENT_SOURCE_DIR_ECEWO='$repository/tests/packages/ecewo-standin' \
            -DECEWO_CLUSTER_CARGO_TARGET_DIR='$target' -DECEWO_CLUSTER_CARGO_PROFILE=dev && cmake --build build"
        serves "$folder/build/app"
    done < <(readme_block '## Use it' sh 3)
    ((n == 3)) || say_and_fail "$n lines with cmake in the block, not 3"
}

# contract 9.2 (f): `cargo add` by path, without the network, with README's program.
cargo_add() {
    local folder=$work/rust port
    port=$("$PROBE" port)
    mkdir "$folder"
    cd "$folder"
    cargo init --quiet --vcs none --name readme-app
    cargo add --path "$clone"
    cp "$clone/Cargo.lock" . # the crates that are built already
    cd "$repository"
    readme_program "$port" rust '### From Rust' >"$folder/src/main.rs"
    (cd "$folder" && cargo build --target-dir "$target")
    cp "$target/debug/readme-app" "$folder"
    answers_as_in_readme "$folder/readme-app" "$port"
}

# dpkg_in_root ARGUMENT...: dpkg with a root and a database of its own, so that the system is left as it was. That database knows
# of no libc6. The package's script runs outside of the root, and finds an ldconfig that only notes that it was called.
dpkg_in_root() {
    PATH=$work/deb-tools:$PATH:/usr/sbin:/sbin dpkg --root="$work/deb-root" --log=/dev/null \
        --force-not-root --force-script-chrootless --force-depends "$@"
}

# A Debian package by CPack, installed, used, and removed.
debian_package() {
    local root=$work/deb-root deb
    mkdir -p "$work/deb" "$work/deb-tools" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
    touch "$root/var/lib/dpkg/status"
    printf '#!/bin/sh\ntouch "%s"\n' "$work/ldconfig-was-called" >"$work/deb-tools/ldconfig"
    chmod +x "$work/deb-tools/ldconfig"
    (cd "$work/build of the package" && cpack -G DEB -B "$work/deb")
    deb=("$work"/deb/*.deb)
    test "$(basename "${deb[0]}")" = "ecewo-cluster_$(version_of_library)_$(dpkg --print-architecture).deb"
    dpkg-deb --info "${deb[0]}"
    dpkg-deb --field "${deb[0]}" Depends | grep -F libc6
    dpkg-deb --ctrl-tarfile "${deb[0]}" | tar -t | grep -F shlibs
    dpkg_in_root --install "${deb[0]}"
    test -e "$work/ldconfig-was-called"
    dpkg_in_root --status ecewo-cluster | grep -F 'Status: install ok installed'
    with_cmake find-package shared Ninja -DCMAKE_PREFIX_PATH="$root/usr"
    with_cmake find-package static Ninja -DCMAKE_PREFIX_PATH="$root/usr"
    eval "$cc tests/packages/app.c $(PKG_CONFIG_PATH=$root/usr/lib/pkgconfig pkg-config --cflags --libs ecewo-cluster) -o '$work/deb-app'"
    LD_LIBRARY_PATH=$root/usr/lib serves "$work/deb-app"
    dpkg_in_root --purge ecewo-cluster
    ! find "$root/usr" -type f | grep . || say_and_fail 'left behind by dpkg'
}
