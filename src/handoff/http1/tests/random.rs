//! Random numbers that are the same in each run (xorshift64*).

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit as u64) as usize
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// The size of a piece: often small, sometimes all.
    pub(super) fn piece(&mut self, most: usize) -> usize {
        let size = match self.below(6) {
            0 => 1,
            1 => 1 + self.below(3),
            2 => 1 + self.below(10),
            3 => 1 + self.below(60),
            4 => 1 + self.below(300),
            _ => most,
        };
        size.min(most)
    }
}
