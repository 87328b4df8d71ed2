//! Which processes there are, and which of them are a run's own.

/// Every pid of the system.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process was started with this environment variable, or is below one that was.
pub fn is_marked(pid: u32, variable: &str, value: &str) -> bool {
    let wanted = format!("{variable}={value}");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
}

/// All such processes, whoever is their parent by now: so a test finds what it has left, and ends nothing else.
pub fn marked(variable: &str, value: &str) -> Vec<u32> {
    pids().into_iter().filter(|pid| is_marked(*pid, variable, value)).collect()
}
