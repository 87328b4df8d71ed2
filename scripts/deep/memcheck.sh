# shellcheck shell=bash
# shellcheck disable=SC2154 # target, work and host are those of scripts/check-deep
# check-deep memcheck: valgrind, with all processes of a cluster.

# Programs of every part of the library. valgrind makes them 20 to 50 times slower. Not those that look at a process's command line or
# program file in /proc (worker_identity, deploys): they are valgrind's; nor signal_reaches_all: signal 64 is valgrind's own.
memcheck_tests=(start_and_stop init_twice bad_arguments states stop_during_init
    crash_window own_children callbacks_order handler_calls stop_hung_worker
    restart_slots restart_serves restart_requested restart_stubborn_old
    queue_survives adopts_every_address announces_close fork_below drain_times hostile_worker)

# No error, nothing lost, and in a master (whose parent is no other log's process) no descriptor open that it did not inherit. A worker has its
# channel and the like until it ends.
judge_memcheck() {
    local log pids parent
    pids=" $(cd "$1" && echo *) "
    [[ $pids != ' * ' ]] || say_and_fail 'valgrind has written nothing'
    for log in "$1"/*; do
        # Killed before it could say anything.
        grep -q 'ERROR SUMMARY' "$log" || continue
        parent=$(sed -n 's/^==[0-9]*== Parent PID: //p' "$log" | head -n 1)
        if ! grep -q 'ERROR SUMMARY: 0 errors' "$log" || { [[ $pids != *" $parent "* ]] &&
            grep -A 1 'Open file descriptor' "$log" | grep -q '   at 0x'; }; then
            cat "$log"
            return 1
        fi
    done
}

under_memcheck() {
    local logs=$work/memcheck-logs
    rm -rf "$logs"
    mkdir -p "$logs"
    CT_WRAPPER="valgrind --fair-sched=yes --trace-children=yes --track-fds=yes --leak-check=full --show-leak-kinds=definite \
--errors-for-leak-kinds=definite --log-file=$logs/%p" CT_TIME_FACTOR=${CT_TIME_FACTOR:-20} run_test "$@"
    judge_memcheck "$logs"
}

check_memcheck() {
    local name folder=$target/c-tests-memcheck
    if ! command -v valgrind >/dev/null; then
        not_checked 'memory and descriptors under valgrind, because it is not installed'
        return
    fi
    build_library
    build_tests "$folder" '-g -O1' "${memcheck_tests[@]}"
    for name in "${memcheck_tests[@]}"; do
        check "memcheck: $name" under_memcheck "$folder" "$name"
    done
}
