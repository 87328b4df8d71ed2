//! The form of the answers; `load/src/answer.rs` reads it.

use crate::Request;

/// What was asked, as far as the answer repeats it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered {
    /// Of the request.
    pub id: u64,
    /// Bytes of its body.
    pub got: u64,
    /// Their checksum.
    pub sum: u32,
}

impl Answered {
    /// From a request without a body.
    pub fn to(request: &Request) -> Self {
        Self { id: request.id, ..Self::default() }
    }

    /// Takes a part of the request's body in.
    pub fn add(&mut self, bytes: &[u8]) {
        self.got += bytes.len() as u64;
        self.sum = bytes.iter().fold(self.sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    }
}

/// A first line, then letters by their position, then a last line; the first line has the size of it all.
pub fn body_of(answered: Answered, filler: usize) -> Vec<u8> {
    let Answered { id, got, sum } = answered;
    let last = format!("end={id}\n");
    let pid = std::process::id();
    let first_line = |size: usize| format!("id={id} pid={pid} size={size} got={got} sum={sum}\n");
    let mut size = 0;
    loop {
        let first = first_line(size);
        let all = first.len() + filler + last.len();
        if all == size {
            let letters = (first.len()..first.len() + filler).map(|at| b'a' + (at % 26) as u8);
            return first.bytes().chain(letters).chain(last.bytes()).collect();
        }
        size = all;
    }
}
