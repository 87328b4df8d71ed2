# shellcheck shell=bash
# shellcheck disable=SC2154 # target, work and host are those of scripts/check-deep
# check-deep address: AddressSanitizer, LeakSanitizer, UndefinedBehaviorSanitizer.

# Programs of C tests that show every part of the library. Those without /proc and in a PID namespace are left out:
# LeakSanitizer cannot look at its own process there.
address_tests=(start_and_stop init_twice bad_arguments worker_identity states cleared_environment stop_during_init spawn_failures
    hostile_worker many_workers worker_children
    crash_window own_children callbacks_call_everything image_held master_does_not_grow
    handler_calls threads_storm signal_reaches_all stop_hung_worker stop_second_sigint master_killed privileges_dropped
    restart_serves restart_slots restart_statistics restart_stubborn_old deploy_dies deploy_never_ready
    queue_survives queue_goes_to_any_server fork_below announces_close adopts_every_address drain_times closed_beside_others
    hostile_listeners gate_blocking_in_a_loop failed_deploy_harms_nothing handoff_off
    many_binds empty_datagram few_descriptors worker_closes_descriptors
    worker_misbehaves worker_abuses_channel seccomp read_only_root generations_together)
c_flags='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g'

# Whether C code can be built with the sanitizers and run.
c_has_sanitizers() {
    # shellcheck disable=SC2086
    echo 'int main(void) { return 0; }' | "${CC:-cc}" $c_flags -x c -o "$work/probe" - 2>"$work/probe.log" && "$work/probe" 2>>"$work/probe.log"
}

# Whether rustc, too, can instrument for the address sanitizer, and the C compiler's runtime serves for that: a small program of both
# tells. The option of rustc is not stable; RUSTC_BOOTSTRAP lets every rustc have it.
rust_has_sanitizer() {
    local source='#[unsafe(no_mangle)] pub extern "C" fn sum(from: *const i32, count: usize) -> i32 { (0..count).map(|i| unsafe { *from.add(i) }).sum() }'
    echo "$source" >"$work/probe.rs"
    echo 'int sum(const int *, unsigned long); int main(int argc, char **argv) { (void)argv; int n[] = {argc, 2}; return sum(n, 2) != argc + 2; }' \
        >"$work/probe.c"
    # shellcheck disable=SC2086
    RUSTC_BOOTSTRAP=1 rustc --edition 2024 -Cpanic=abort -Zsanitizer=address --crate-type staticlib -o "$work/libprobe.a" "$work/probe.rs" \
        2>"$work/probe.log" &&
        "${CC:-cc}" $c_flags -o "$work/probe" "$work/probe.c" "$work/libprobe.a" -lpthread -ldl -lm 2>>"$work/probe.log" &&
        "$work/probe" 2>>"$work/probe.log"
}

# What a sanitizer has to say goes to files, for a worker that it ends is nothing but a crash to its master.
under_address_sanitizer() {
    local reports=$work/address-reports status=0 leaks=1
    rm -rf "$reports"
    mkdir -p "$reports"
    # Workers of other users write there, too.
    chmod 1777 "$reports"
    # LeakSanitizer makes a process of its own at the end, for which this test's limit leaves no room.
    [[ $2 != spawn_failures ]] || leaks=0
    ASAN_OPTIONS=log_path=$reports/asan:handle_segv=0:handle_abort=0:detect_leaks=$leaks:detect_stack_use_after_return=1 \
        UBSAN_OPTIONS=log_path=$reports/ubsan:print_stacktrace=1 CT_TIME_FACTOR=${CT_TIME_FACTOR:-5} \
        CT_RUNS=${CT_RUNS:-20000} run_test "$@" || status=$?
    if [[ -n $(ls "$reports") ]]; then
        cat "$reports"/*
        status=1
    fi
    return "$status"
}

check_address() {
    local name folder=$target/c-tests-address
    if ! c_has_sanitizers; then
        not_checked "addresses and undefined behaviour, because this compiler has no such sanitizers: $(head -n 1 "$work/probe.log")"
        return
    fi
    if rust_has_sanitizer; then
        build_library RUSTC_BOOTSTRAP=1 "$(flags_for -Zsanitizer=address)"
    else
        not_checked "addresses inside the library, because rustc and the C compiler have no such sanitizer together: $(head -n 1 "$work/probe.log")"
        build_library
    fi
    build_tests "$folder" "$c_flags" "${address_tests[@]}"
    for name in "${address_tests[@]}"; do
        check "address: $name" under_address_sanitizer "$folder" "$name"
    done
}
