//! Lines for the operator: to stderr, each in one write, from any context (contract 2.6).

use std::fmt::{self, Write};

use crate::sys::{self, KeepErrno};

/// Longer lines are cut: what is written in one piece must be small (pipe(7), PIPE_BUF is 4096).
const MAX_LINE: usize = 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    /// Something does not work, and the line says what to do.
    Error,
    /// It works, but perhaps not as meant.
    Warn,
}

/// Writes one line. Signal-safe: it formats on the stack. A stderr that is closed or full loses the line, nothing else.
pub(crate) fn line(level: Level, text: fmt::Arguments<'_>) {
    let _errno = KeepErrno::new();
    let mut line = Line { bytes: [0; MAX_LINE], length: 0 };
    let tag = match level {
        Level::Error => "[ERROR] ",
        Level::Warn => "[WARN] ",
    };
    // Writing to the buffer fails only when it is full; then the line is cut.
    let _ = line.write_str(tag).and_then(|()| line.write_fmt(text));
    line.finish();
    sys::stderr::write(line.bytes.get(..line.length).unwrap_or_default());
}

/// An `[ERROR]` line.
macro_rules! error {
    ($($text:tt)*) => { $crate::log::line($crate::log::Level::Error, format_args!($($text)*)) };
}

/// A `[WARN]` line.
macro_rules! warning {
    ($($text:tt)*) => { $crate::log::line($crate::log::Level::Warn, format_args!($($text)*)) };
}

pub(crate) use {error, warning};

struct Line {
    bytes: [u8; MAX_LINE],
    length: usize,
}

impl Line {
    fn finish(&mut self) {
        let end = self.length.min(MAX_LINE - 1);
        if let Some(byte) = self.bytes.get_mut(end) {
            *byte = b'\n';
        }
        self.length = end + 1;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let place = self.bytes.get_mut(self.length).ok_or(fmt::Error)?;
            // A line stays one line whatever a path or a message contains.
            *place = if byte == b'\n' { b' ' } else { byte };
            self.length += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(text: &str) -> Vec<u8> {
        let mut line = Line { bytes: [0; MAX_LINE], length: 0 };
        let _ = line.write_str(text);
        line.finish();
        line.bytes[..line.length].to_vec()
    }

    #[test]
    fn a_line_is_one_line_contract_2_6() {
        assert_eq!(finished("a\nb"), b"a b\n");
        assert_eq!(finished(""), b"\n");
        let long = finished(&"x".repeat(5000));
        assert_eq!((long.len(), long.last()), (MAX_LINE, Some(&b'\n')));
    }
}
