//! The environment entry that names a worker's channel. It comes from outside: nothing of it is believed.

use std::os::fd::RawFd;

/// `<number>:<inode>`, and nothing else.
pub(crate) fn parse(entry: &str) -> Option<(RawFd, u64)> {
    let (number, inode) = entry.split_once(':')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(number) || !digits(inode) {
        return None;
    }
    Some((number.parse().ok()?, inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_entries_contract_2_2() {
        assert_eq!(parse("7:123456"), Some((7, 123_456)));
        for bad in ["", "7", "7:", ":7", "-1:7", "+7:7", "7:-7", "7:7:7", " 7:7", "99999999999:1", "a:b"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
