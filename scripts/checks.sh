# shellcheck shell=bash
# What the test scripts share: counting, waiting with a limit, and ending only what they started.

checks_passed=0
checks_failed=0

# check NAME COMMAND...: one test, in a shell of its own that ends at the first error. Its output is shown if it fails.
# Not to be called in a condition: bash ignores set -e in all that runs there.
check() {
    local name=$1 started=$SECONDS output status
    shift
    output=$(mktemp)
    set +e
    (set -euo pipefail; "$@") >"$output" 2>&1
    status=$?
    set -e
    if ((status == 0)); then
        checks_passed=$((checks_passed + 1))
        printf 'ok    %s (%d s)\n' "$name" $((SECONDS - started))
    else
        checks_failed=$((checks_failed + 1))
        printf 'FAIL  %s (%d s)\n' "$name" $((SECONDS - started))
        sed 's/^/      | /' "$output"
    fi
    rm -f "$output"
}

# The closing line, and the exit status.
report_checks() {
    printf '%d passed, %d failed\n' "$checks_passed" "$checks_failed"
    ((checks_failed == 0))
}

# not_checked WHAT: said aloud, and no failure. scripts/test shows these lines.
not_checked() {
    echo "NOT CHECKED: $*"
}

# Whether CMake has this version or a newer one.
has_cmake() {
    local version
    version=$(cmake --version | sed -n 's/^cmake version //p')
    [[ $(printf '%s\n' "$1" "$version" | sort -V | head -n 1) == "$1" ]]
}

say_and_fail() {
    printf '%s\n' "$*" >&2
    return 1
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

has_ended() {
    ! kill -0 "$1" 2>/dev/null
}

# The processes that run this program file, one pid a line.
processes_of() {
    local program link
    program=$(realpath "$1")
    for link in /proc/[0-9]*/exe; do
        if [[ $(readlink "$link" 2>/dev/null) == "$program" ]]; then
            link=${link%/exe}
            echo "${link#/proc/}"
        fi
    done
}

nothing_runs() {
    [[ -z $(processes_of "$1") ]]
}

# Ends what a failed test left behind: processes of a program file that the test itself built.
end_processes_of() {
    local pid
    for pid in $(processes_of "$1"); do
        kill -9 "$pid" 2>/dev/null || true
    done
}

# stop_with SIGNAL PID SECONDS PROGRAM: the process ends with exit status 0 in time, and with it all of its program.
# PID is a child of this shell.
stop_with() {
    local signal=$1 pid=$2 limit=$3 program=$4 status=0
    kill "-$signal" "$pid"
    wait_until "$limit" has_ended "$pid" || say_and_fail "still running $limit s after SIG$signal"
    wait "$pid" || status=$?
    ((status == 0)) || say_and_fail "exit status $status after SIG$signal"
    wait_until 2 nothing_runs "$program" || say_and_fail "left running: $(processes_of "$program" | tr '\n' ' ')"
}

# answered_by_workers PORT COUNT: asks until COUNT workers have answered, each on a connection of its own, and prints
# their pids. An answer holds "worker N (pid P)".
answered_by_workers() {
    local port=$1 count=$2 deadline=$((SECONDS + 15)) answer
    local -A pids=()
    while ((${#pids[@]} < count)); do
        ((SECONDS < deadline)) || say_and_fail "answers from workers ${!pids[*]} only, not from $count" || return 1
        if answer=$("$PROBE" get "$port" / 2>/dev/null) && [[ $answer =~ worker\ ([0-9]+)\ \(pid\ ([0-9]+)\) ]]; then
            pids[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
        else
            sleep 0.05
        fi
    done
    echo "${pids[@]}"
}

# all_replaced PORT COUNT PIDS: COUNT workers answer, and none of them is one of these.
all_replaced() {
    local now pid
    now=$(answered_by_workers "$1" "$2") || return 1
    for pid in $3; do
        [[ " $now " != *" $pid "* ]] || return 1
    done
}

# build_probe FOLDER: makes the small program that these functions ask with.
build_probe() {
    PROBE=$1/probe
    "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -o "$PROBE" tests/packages/probe.c
}
