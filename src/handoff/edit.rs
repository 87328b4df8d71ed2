//! `Connection: close`, written into an answer on its way from the program to the kernel (contract 6.3).
//!
//! The program does not notice: what is told to it is how much of its own was taken. Where the kernel takes only a part
//! of an edit, the rest goes out with the program's next write.

use std::sync::atomic::{AtomicU32, Ordering};

use super::http1::Edit;

/// Takes the place of `keep-alive`: equally long.
const OVERWRITTEN: &[u8] = b"close     ";
/// Goes in before the empty line.
const INSERTED: &[u8] = b"Connection: close\r\n";

/// The most parts of a write that are edited. libuv's writes and those of most servers have fewer; a write of more goes
/// out as it is.
const MOST_PARTS: usize = 64;
/// Room for the parts around an edit.
const ROOM: usize = MOST_PARTS + 2;
/// How much of a write in several parts is looked at.
const MOST_BYTES: usize = 4096;

/// A change of what is to be written: `text` goes in at `at`, in the place of `replaced` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    at: usize,
    replaced: usize,
    text: &'static [u8],
}

impl From<Edit> for Change {
    fn from(edit: Edit) -> Self {
        match edit {
            Edit::Overwrite { at, length } => {
                Self { at, replaced: length, text: OVERWRITTEN.get(..length).unwrap_or(OVERWRITTEN) }
            }
            Edit::Insert { at } => Self { at, replaced: 0, text: INSERTED },
        }
    }
}

/// What became of an edited write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// So many of the program's bytes were taken, and whether some of the library's were.
    Taken { count: usize, is_edited: bool },
    /// Only bytes of the library's were: the program has to try again.
    Nothing,
    /// The kernel refused: the errno is set.
    Failed(isize),
}

/// Where in the parts of a write the end can be announced: `find` is asked with the bytes.
pub(super) fn find(parts: &[libc::iovec], find: impl Fn(&[u8]) -> Option<Edit>) -> Option<Edit> {
    if parts.len() > MOST_PARTS {
        return None;
    }
    let first = bytes_of(parts.first()?);
    if parts.len() == 1 {
        return find(first);
    }
    // A head may be spread over several parts.
    find(first).or_else(|| {
        let mut buffer = [0u8; MOST_BYTES];
        let mut length = 0;
        for part in parts {
            let bytes = bytes_of(part);
            let room = buffer.get_mut(length..).unwrap_or_default();
            let count = bytes.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
                to.copy_from_slice(from);
            }
            length += count;
        }
        find(buffer.get(..length)?)
    })
}

/// Writes the parts with a change: what was left of the last edit, or this one. `send` makes the system call.
/// `None`: there is nothing to change.
pub(super) fn write(
    pending: &AtomicU32,
    edit: Option<Edit>,
    parts: &[libc::iovec],
    send: impl FnOnce(&[libc::iovec]) -> isize,
) -> Option<Written> {
    let change = resumed(pending.load(Ordering::Acquire)).or(edit.map(Change::from))?;
    let mut room = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; ROOM];
    let changed = apply(change, parts, &mut room)?;
    let sent = send(changed);
    let Ok(sent) = usize::try_from(sent) else { return Some(Written::Failed(sent)) };
    let end = change.at + change.text.len();
    let left = if sent > change.at { end.saturating_sub(sent).min(change.text.len()) } else { change.text.len() };
    let has_begun = sent > change.at || change.at == 0;
    pending.store(if has_begun && left > 0 { paused(change, left) } else { 0 }, Ordering::Release);
    let taken = if sent <= change.at {
        sent
    } else if change.replaced > 0 {
        // Byte for byte.
        sent
    } else {
        change.at + sent.saturating_sub(end)
    };
    let is_edited = sent > change.at;
    Some(if taken == 0 && sent > 0 { Written::Nothing } else { Written::Taken { count: taken, is_edited } })
}

/// Whether a part of an edit has still to go out.
pub(super) fn is_pending(pending: &AtomicU32) -> bool {
    pending.load(Ordering::Acquire) != 0
}

/// So many bytes of the change's text have still to go out; the low bit tells which text.
fn paused(change: Change, left: usize) -> u32 {
    let is_insertion = change.replaced == 0;
    u32::try_from(left).unwrap_or(0) << 1 | u32::from(is_insertion)
}

fn resumed(pending: u32) -> Option<Change> {
    let left = (pending >> 1) as usize;
    let is_insertion = pending & 1 == 1;
    let text = if is_insertion { INSERTED } else { OVERWRITTEN };
    let text = text.get(text.len().checked_sub(left)?..).filter(|text| !text.is_empty())?;
    Some(Change { at: 0, replaced: if is_insertion { 0 } else { text.len() }, text })
}

/// The parts with the change in them. `None`: there are too many.
fn apply<'a>(change: Change, parts: &[libc::iovec], room: &'a mut [libc::iovec; ROOM]) -> Option<&'a [libc::iovec]> {
    if parts.len() > MOST_PARTS {
        return None;
    }
    let mut count = 0;
    let mut put = |base: *mut libc::c_void, length: usize| {
        if let Some(place) = room.get_mut(count).filter(|_| length > 0) {
            *place = libc::iovec { iov_base: base, iov_len: length };
            count += 1;
        }
    };
    let total: usize = parts.iter().map(|part| part.iov_len).sum();
    // The program may write less than what it has to replace.
    let text = change
        .text
        .get(..change.text.len().min(if change.replaced > 0 { total.saturating_sub(change.at) } else { usize::MAX }))?;
    let (mut at, mut is_in) = (0, false);
    let end = change.at + change.replaced;
    for part in parts {
        let (from, to) = (at, at + part.iov_len);
        let base = |offset: usize| part.iov_base.cast::<u8>().wrapping_add(offset).cast::<libc::c_void>();
        put(base(0), change.at.clamp(from, to) - from);
        if !is_in && change.at >= from && (change.at < to || total == change.at) {
            is_in = true;
            put(text.as_ptr().cast_mut().cast(), text.len());
        }
        let rest = end.clamp(from, to);
        if end <= to {
            put(base(rest - from), to - rest);
        }
        at = to;
    }
    room.get(..count)
}

pub(super) fn bytes_of(part: &libc::iovec) -> &[u8] {
    if part.iov_base.is_null() || part.iov_len == 0 {
        return &[];
    }
    // SAFETY: the program has handed this over to be written: it is readable for its length.
    unsafe { std::slice::from_raw_parts(part.iov_base.cast(), part.iov_len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `head` in parts of these sizes through a kernel that takes at most so many bytes at a time; gives what
    /// arrives.
    fn arrives(head: &[u8], edit: Edit, sizes: usize, takes: usize) -> Vec<u8> {
        let pending = AtomicU32::new(0);
        let mut arrived = Vec::new();
        let mut edit = Some(edit);
        let mut at = 0;
        while at < head.len() {
            let parts: Vec<libc::iovec> = head[at..]
                .chunks(sizes)
                .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() })
                .collect();
            let send = |parts: &[libc::iovec]| {
                let all: Vec<u8> = parts.iter().flat_map(|part| bytes_of(part).to_vec()).collect();
                arrived.extend(&all[..takes.min(all.len())]);
                takes.min(all.len()) as isize
            };
            let written = match write(&pending, edit, &parts, send) {
                Some(written) => written,
                None => {
                    let count = takes.min(head.len() - at);
                    arrived.extend(&head[at..at + count]);
                    Written::Taken { count, is_edited: false }
                }
            };
            let taken = match written {
                Written::Taken { count, .. } => count,
                Written::Nothing => 0,
                Written::Failed(_) => panic!("it never fails"),
            };
            at += taken;
            // As the state of the answer would find it for what is left.
            edit = match edit {
                Some(Edit::Overwrite { at, length }) if at >= taken && !is_pending(&pending) => {
                    Some(Edit::Overwrite { at: at - taken, length })
                }
                Some(Edit::Insert { at })
                    if taken <= at && !is_pending(&pending) && !arrived.ends_with(b"close\r\n") =>
                {
                    Some(Edit::Insert { at: at - taken })
                }
                _ => None,
            };
        }
        arrived
    }

    #[test]
    fn however_it_is_cut_the_client_reads_the_same_contract_6_3() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let with_insertion = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
        let insert = Edit::Insert { at: plain.len() - 4 };
        let alive = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi";
        let closed = b"HTTP/1.1 200 OK\r\nConnection: close     \r\nContent-Length: 2\r\n\r\nhi";
        let overwrite = Edit::Overwrite { at: 29, length: 10 };
        assert_eq!(&alive[29..39], b"keep-alive");
        for sizes in [1, 2, 3, 7, 29, 30, 38, 39, 100] {
            for takes in 1..80 {
                let what = format!("parts of {sizes}, {takes} taken at a time");
                assert_eq!(arrives(plain, insert, sizes, takes), with_insertion, "{what}");
                assert_eq!(arrives(alive, overwrite, sizes, takes), closed, "{what}");
            }
        }
    }

    #[test]
    fn a_write_of_too_many_parts_goes_out_as_it_is() {
        let parts = vec![libc::iovec { iov_base: b"x".as_ptr().cast_mut().cast(), iov_len: 1 }; MOST_PARTS + 1];
        assert_eq!(find(&parts, |_| Some(Edit::Insert { at: 0 })), None);
    }

    #[test]
    fn heads_in_several_parts_are_found() {
        let parts: Vec<libc::iovec> = [&b"HTTP/1.1 "[..], b"200 OK\r\n", b"\r\n"]
            .iter()
            .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() })
            .collect();
        let whole = |bytes: &[u8]| (bytes == b"HTTP/1.1 200 OK\r\n\r\n").then_some(Edit::Insert { at: 17 });
        assert_eq!(find(&parts, whole), Some(Edit::Insert { at: 17 }));
    }
}
