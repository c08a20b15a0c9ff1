//! The checksum of POSIX `cksum`, so that an upload can be compared with the file by a command that is everywhere.

/// CRC-32's remainders for every byte, highest bit first (POSIX.1-2017, `cksum`).
const TABLE: [u32; 256] = table();

/// A checksum in the making.
#[derive(Default)]
pub struct Sum {
    crc: u32,
    length: u64,
}

impl Sum {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc = bytes.iter().fold(self.crc, |crc, &byte| step(crc, byte));
        self.length += bytes.len() as u64;
    }

    /// The checksum and the number of bytes: the length is part of what is summed, lowest byte first, without its
    /// leading zeros.
    pub fn finish(self) -> (u32, u64) {
        let digits = (u64::BITS - self.length.leading_zeros()).div_ceil(8);
        let crc = self
            .length
            .to_le_bytes()
            .iter()
            .take(digits as usize)
            .fold(self.crc, |crc, &byte| step(crc, byte));
        (!crc, self.length)
    }
}

/// The checksum of one piece.
pub fn of(bytes: &[u8]) -> u32 {
    let mut sum = Sum::default();
    sum.update(bytes);
    sum.finish().0
}

fn step(crc: u32, byte: u8) -> u32 {
    crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)]
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_cksum() {
        assert_eq!(of(b""), 4_294_967_295);
        assert_eq!(of(b"123456789"), 930_766_865);
        assert_eq!(of(&[b'a'; 70_000]), 3_508_083_167);
    }

    #[test]
    fn pieces_sum_up_to_the_whole() {
        let mut sum = Sum::default();
        sum.update(b"1234");
        sum.update(b"56789");
        assert_eq!(sum.finish(), (930_766_865, 9));
    }
}
