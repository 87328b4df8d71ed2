//! Sixteen bytes at a time.

/// So many bytes are looked at together.
pub(super) const BLOCK: usize = 16;

/// Where a byte is in a block: bit n is set for the n-th place.
///
/// With the processor's own instructions where every processor of the kind has them: what the compiler makes of a loop
/// depends on what stands around it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn places_of(byte: u8, block: &[u8; BLOCK]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    // SAFETY: every x86_64 has SSE2; the block is as long as what is loaded, and need not be aligned.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8))) as u32
    }
}

/// Where a byte is in a block: bit n is set for the n-th place.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn places_of(byte: u8, block: &[u8; BLOCK]) -> u32 {
    one_by_one(byte, block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn one_by_one(byte: u8, block: &[u8; BLOCK]) -> u32 {
    block.iter().rev().fold(0, |places, each| places << 1 | u32::from(*each == byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_those_of_a_look_at_each_byte() {
        let blocks = ["\n...............", "...............\n", "a\n\nb\r\n\r\n......\n\n", "0123456789abcdef"];
        for block in blocks.map(|text| *text.as_bytes().first_chunk::<BLOCK>().expect("16 bytes")) {
            assert_eq!(places_of(b'\n', &block), one_by_one(b'\n', &block), "{block:?}");
        }
        assert_eq!(places_of(0x80, &[0x80; BLOCK]), 0xffff);
        assert_eq!(places_of(b'\n', b"\n..\n............"), 0b1001);
    }
}
