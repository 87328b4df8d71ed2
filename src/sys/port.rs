//! Whether a TCP port can be listened on, found out before any worker is started (contract 2.1).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::{check, fd, tcp};

/// What a look at a port found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortState {
    Free,
    /// Another process listens on it and shares it (SO_REUSEPORT): traffic would be split.
    Shared,
    /// Another process listens on one of this machine's addresses, not on all: traffic would be split.
    TakenOnOneAddress,
    /// Another process listens on every address.
    InUse,
    /// The user may not use it.
    NotPermitted,
    /// It could not be found out; the workers' own `bind` will tell.
    Unknown,
}

/// Looks at a port: binds the wildcard address, as servers do, and closes it at once.
pub(crate) fn probe(port: u16) -> PortState {
    match try_bind(port, false) {
        Ok(()) => PortState::Free,
        Err(error) => match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => PortState::NotPermitted,
            Some(libc::EADDRINUSE) => look_closer(port),
            _ => PortState::Unknown,
        },
    }
}

fn look_closer(port: u16) -> PortState {
    let sharing_helps = try_bind(port, true).is_ok();
    let table = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}"));
    let tables: Vec<String> = [table("tcp"), table("tcp6")].into_iter().flatten().collect();
    let listener = |reach: Reach| tables.iter().any(|text| has_listener(text, port, reach));
    match sharing_helps {
        // Connections of the last run in TIME_WAIT, of a server without SO_REUSEADDR, are in the way of nobody who shares.
        true if !tables.is_empty() && !listener(Reach::Any) => PortState::Free,
        true => PortState::Shared,
        false if tables.is_empty() || listener(Reach::EveryAddress) => PortState::InUse,
        false => PortState::TakenOnOneAddress,
    }
}

/// SO_REUSEADDR, for without it the probe fails while connections of the last run are in TIME_WAIT.
fn try_bind(port: u16, share: bool) -> io::Result<()> {
    let (socket, v6) = match open_socket(libc::AF_INET) {
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => (open_socket(libc::AF_INET6)?, true),
        other => (other?, false),
    };
    tcp::set_flag(socket.as_raw_fd(), libc::SO_REUSEADDR)?;
    if share {
        tcp::set_flag(socket.as_raw_fd(), libc::SO_REUSEPORT)?;
    }
    bind_wildcard(&socket, port, v6)
}

fn open_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    fd::owned(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) }.into())
}

fn bind_wildcard(socket: &OwnedFd, port: u16, v6: bool) -> io::Result<()> {
    // SAFETY: zeroed addresses are valid and mean the wildcard; the system call gets their true lengths. The call is
    // made directly, past the library's own assisted `bind`.
    let result = unsafe {
        if v6 {
            let mut address: libc::sockaddr_in6 = std::mem::zeroed();
            address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            address.sin6_port = port.to_be();
            libc::syscall(libc::SYS_bind, socket.as_raw_fd(), &raw const address, size_of_val(&address))
        } else {
            let mut address: libc::sockaddr_in = std::mem::zeroed();
            address.sin_family = libc::AF_INET as libc::sa_family_t;
            address.sin_port = port.to_be();
            libc::syscall(libc::SYS_bind, socket.as_raw_fd(), &raw const address, size_of_val(&address))
        }
    };
    check(result).map(drop)
}

/// Which listeners are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Any,
    EveryAddress,
}

/// Reads proc_net_tcp's lines `sl local_address rem_address st …`: addresses in hexadecimal, state 0A is LISTEN.
fn has_listener(table: &str, port: u16, reach: Reach) -> bool {
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        let Some((address, number)) = local.and_then(|local| local.split_once(':')) else { return false };
        state == Some("0A")
            && u16::from_str_radix(number, 16) == Ok(port)
            && !address.is_empty()
            && (reach == Reach::Any || address.bytes().all(|digit| digit == b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn socket_tables_contract_2_1() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let line = |local: &str, state: &str| format!("{head}   0: {local} 00000000:0000 {state} 0:0 0:0\n");
        assert!(has_listener(&line("00000000:0BB8", "0A"), 3000, Reach::EveryAddress));
        assert!(has_listener(&line("00000000000000000000000000000000:0BB8", "0A"), 3000, Reach::EveryAddress));
        assert!(!has_listener(&line("0100007F:0BB8", "0A"), 3000, Reach::EveryAddress), "one address");
        assert!(!has_listener(&line("00000000:0BB8", "01"), 3000, Reach::EveryAddress), "not a listener");
        assert!(!has_listener(&line("00000000:0BB9", "0A"), 3000, Reach::EveryAddress), "another port");
        assert!(has_listener(&line("0100007F:0BB8", "0A"), 3000, Reach::Any));
        assert!(!has_listener(&line("0100007F:0BB8", "06"), 3000, Reach::Any), "TIME_WAIT");
        assert!(!has_listener("", 3000, Reach::EveryAddress));
        assert!(!has_listener("x\nx\n", 3000, Reach::EveryAddress));
    }

    #[test]
    fn ports_in_every_state_contract_2_1() {
        let wildcard = TcpListener::bind("0.0.0.0:0").unwrap();
        assert_eq!(probe(wildcard.local_addr().unwrap().port()), PortState::InUse);
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(probe(one.local_addr().unwrap().port()), PortState::TakenOnOneAddress);
        let port = one.local_addr().unwrap().port();
        drop(one);
        assert_eq!(probe(port), PortState::Free);
    }
}
