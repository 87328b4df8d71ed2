//! The configuration of v0.2. Comments become the header's: no Rust words in them.

use super::memory;
use super::types::{ecewo_cluster_config_t, ecewo_cluster_on_exit_t, ecewo_cluster_on_start_t};
use crate::ffi::convert::Options;

/// Makes a configuration that has no port yet, and the default of everything else. NULL if there is no memory.
///
/// Thread: any. Signal handler: no.
#[unsafe(no_mangle)]
pub extern "C" fn ecewo_cluster_config_new() -> *mut ecewo_cluster_config_t {
    // SAFETY: numbers, a truth value and pointers to functions that may be NULL: all zeros are valid, and nothing is to drop.
    unsafe { memory::new_zeroed() }
}

/// Gives a configuration back. After ecewo_cluster_init() it may go at once. NULL is allowed.
///
/// Thread: any. Signal handler: no.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_free(config: *mut ecewo_cluster_config_t) {
    // SAFETY: the caller gives NULL or what `ecewo_cluster_config_new` gave.
    unsafe { memory::free(config) }
}

/// Number of workers, 1 to 255. 0, the default: the number that ecewo_cluster_cpus() gives. If config is NULL, nothing happens.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_cpus(config: *mut ecewo_cluster_config_t, cpus: u8) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.cpus = cpus) }
}

/// TCP port that the workers listen on, 1 to 65535. There is no default: without it ecewo_cluster_init() fails.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_port(config: *mut ecewo_cluster_config_t, port: u16) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.port = port) }
}

/// Whether a worker that crashed is started again. A worker that ended gracefully never is. Default: false.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_respawn(config: *mut ecewo_cluster_config_t, respawn: bool) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.respawn = respawn) }
}

/// Milliseconds that a worker has to end after it was told to stop; then it is killed with SIGKILL. In a graceful
/// restart an old worker has the first half of it to finish the requests that it has; SIGTERM follows, at once if
/// there are none. 0, the default: 15000.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_shutdown_timeout(config: *mut ecewo_cluster_config_t, ms: u32) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.shutdown_timeout_ms = ms) }
}

/// Crash protection: length of the window in seconds. 0, the default: 5.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_respawn_window(config: *mut ecewo_cluster_config_t, seconds: u32) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.respawn_window_sec = seconds) }
}

/// Crash protection: so many crashes of one worker within the window disable it: it is not started again until the
/// next graceful restart. 0, the default: 3.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_respawn_max_crashes(
    config: *mut ecewo_cluster_config_t,
    max_crashes: u8,
) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.respawn_max_crashes = max_crashes) }
}

/// Milliseconds between the start of one worker and the start of the next. 0, the default: at most 100, less where the
/// worker just started listens earlier. A value that you set is always kept.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_worker_startup_delay(config: *mut ecewo_cluster_config_t, ms: u32) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.worker_startup_delay_ms = ms) }
}

/// Milliseconds between a worker's crash and the start of its replacement. 0, the default: 100.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_worker_respawn_delay(config: *mut ecewo_cluster_config_t, ms: u32) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.worker_respawn_delay_ms = ms) }
}

/// The function to call when a process has become a worker. NULL, the default: none.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_on_start(
    config: *mut ecewo_cluster_config_t,
    cb: ecewo_cluster_on_start_t,
) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.on_start = cb) }
}

/// The function to call when a worker's process has ended. NULL, the default: none.
#[allow(clippy::missing_safety_doc)] // The header says it in C's words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ecewo_cluster_config_set_on_exit(
    config: *mut ecewo_cluster_config_t,
    cb: ecewo_cluster_on_exit_t,
) {
    // SAFETY: the caller gives NULL or a configuration.
    unsafe { change(config, |options| options.on_exit = cb) }
}

/// # Safety
/// `config` must be NULL or a valid configuration that nobody else uses.
unsafe fn change(config: *mut ecewo_cluster_config_t, setting: impl FnOnce(&mut Options)) {
    // SAFETY: the caller's promise.
    if let Some(config) = unsafe { config.as_mut() } {
        setting(&mut config.0);
    }
}
