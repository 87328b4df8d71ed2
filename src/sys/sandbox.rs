//! Whether a program has locked itself up.

use super::open_files::Reading;

/// How many seccomp filters the process's first thread has. 0 where the kernel does not tell (before Linux 5.9).
pub(crate) fn filters() -> u32 {
    let mut buffer = [0u8; 4096];
    let count = Reading::open(c"/proc/self/status", 0).and_then(|file| file.read(&mut buffer)).unwrap_or(0);
    let lines = buffer.get(..count).unwrap_or_default().split(|byte| *byte == b'\n');
    let digits = lines.filter_map(|line| line.strip_prefix(b"Seccomp_filters:\t")).next();
    digits.and_then(|digits| std::str::from_utf8(digits).ok()?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn filters_are_those_that_the_kernel_tells_of() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let told = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        assert_eq!(super::filters(), told.map_or(0, |number| number.trim().parse().unwrap()));
    }
}
