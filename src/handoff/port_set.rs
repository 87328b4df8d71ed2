//! A set of ports that a signal handler may use.

use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct PortSet([AtomicU64; 1024]);

impl PortSet {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 1024])
    }

    pub(super) fn note(&self, port: u16, is_member: bool) {
        let bit = 1u64 << (port % 64);
        if let Some(word) = self.0.get(usize::from(port / 64)) {
            if is_member {
                word.fetch_or(bit, Ordering::Relaxed)
            } else {
                word.fetch_and(!bit, Ordering::Relaxed)
            };
        }
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        self.0.get(usize::from(port / 64)).is_some_and(|word| word.load(Ordering::Relaxed) >> (port % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_a_set() {
        let set = PortSet::new();
        for port in [0, 63, 64, 65535] {
            set.note(port, true);
            assert!(set.contains(port));
            assert!(!set.contains(port ^ 1), "its neighbour");
            set.note(port, false);
            assert!(!set.contains(port));
        }
    }
}
