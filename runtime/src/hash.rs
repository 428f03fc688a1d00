//! The hash that gives a raw value its table row, and the random numbers made from it. Both are part
//! of the format of weights and of the order of training: they never change.
//!
//! - A whole number `x` hashes to `mix(x)`, its 64 bits in two's complement; so do an unsigned number from 2^63 on and the
//!   negative number with its bits. Booleans are 0 and 1; a
//!   float that is a whole number hashes as that number, since pandas turns nullable integers to floats.
//! - A string hashes to `mix(fnv1a(bytes))`, FNV-1a 64 over its UTF-8 bytes.
//! - The row in a table of `rows` rows is `1 + hash % (rows - 1)`; row 0 is the missing value.
//!
//! `mix` is the finaliser of SplitMix64:
//!
//! ```text
//! z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
//! z = (z ^ (z >> 27)) * 0x94d049bb133111eb
//! z =  z ^ (z >> 31)
//! ```
//!
//! | value | hash | row of 1,000 |
//! |---|---|---|
//! | `0` | `0x0000000000000000` | 1 |
//! | `1` | `0x5692161d100b05e5` | 374 |
//! | `-1` | `0xb4d055fcf2cbbd7b` | 664 |
//! | `20220425` | `0x5d91da922eff124d` | 882 |
//! | `""` | `0xf52a15e9a9b5e89b` | 85 |
//! | `"a"` | `0x02c0bdbf481420f8` | 149 |
//! | `"é"` | `0x233403617480019e` | 300 |
//! | `"LongImport"` | `0xbf9fdc7e56b7b053` | 955 |

use std::hash::{BuildHasherDefault, Hasher};

/// Increment of SplitMix64's state: 2^64 over the golden ratio, odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Finaliser of SplitMix64, a bijection.
#[inline]
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hash of a whole number.
#[inline]
pub const fn hash_int(value: i64) -> u64 {
    mix(value.cast_unsigned())
}

/// Hash of an unsigned whole number.
#[inline]
pub const fn hash_unsigned(value: u64) -> u64 {
    mix(value)
}

/// Hash of a string.
#[inline]
pub fn hash_text(value: &str) -> u64 {
    mix(fnv1a(FNV_OFFSET, value.as_bytes()))
}

/// Row of a hash in a table of `rows` rows, from 1; 0 if the table has no row but the first.
#[inline]
pub const fn row(hash: u64, rows: usize) -> u32 {
    match (rows as u64).checked_sub(1) {
        None | Some(0) => 0,
        Some(free) => 1 + (hash % free) as u32,
    }
}

#[inline]
fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, &byte| {
        (state ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
    })
}

/// SplitMix64, for orders and first weights: small, seekable, the same on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed and what it is for; streams of different paths are independent.
    pub fn new(seed: u64, path: &[u64]) -> Self {
        Self(
            path.iter()
                .fold(mix(seed.wrapping_add(GAMMA)), |state, &part| {
                    mix(state.wrapping_add(GAMMA) ^ mix(part.wrapping_add(GAMMA)))
                }),
        )
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A whole number below `bound`, 0 if that is 0. The bias is below `bound / 2^64`.
    #[inline]
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Uniform in (0, 1), of 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }

    /// Two independent draws from N(0, 1) (Box and Muller).
    #[inline]
    pub fn normals(&mut self) -> (f64, f64) {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        (radius * cos, radius * sin)
    }

    /// Puts the items in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// State of the maps from raw values to rows: a fast hash for trusted keys. The maps are only ever
/// looked up or sorted, so that their order reaches no output.
pub(crate) type BuildMix = BuildHasherDefault<MixHasher>;

/// Hashes like the functions above.
#[derive(Debug, Default)]
pub(crate) struct MixHasher(u64);

impl Hasher for MixHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        self.0 = mix(fnv1a(self.0 ^ FNV_OFFSET, rest));
    }

    fn write_u8(&mut self, value: u8) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(FNV_PRIME);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0.wrapping_add(GAMMA) ^ value);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the module's documentation, computed by a Python program.
    #[test]
    fn vectors() {
        for (hash, expected, expected_row) in [
            (hash_int(0), 0, 1),
            (hash_int(1), 0x5692_161d_100b_05e5, 374),
            (hash_int(-1), 0xb4d0_55fc_f2cb_bd7b, 664),
            (hash_int(20_220_425), 0x5d91_da92_2eff_124d, 882),
            (hash_text(""), 0xf52a_15e9_a9b5_e89b, 85),
            (hash_text("a"), 0x02c0_bdbf_4814_20f8, 149),
            (hash_text("é"), 0x2334_0361_7480_019e, 300),
            (hash_text("LongImport"), 0xbf9f_dc7e_56b7_b053, 955),
        ] {
            assert_eq!(hash, expected);
            assert_eq!(row(hash, 1000), expected_row);
        }
    }

    #[test]
    fn row_0_is_never_hashed_to() {
        for value in 0..1000 {
            assert_eq!(row(hash_int(value), 2), 1);
            assert!((1..7).contains(&row(hash_int(value), 7)));
        }
        assert_eq!((row(5, 1), row(5, 0)), (0, 0));
    }

    #[test]
    fn streams_of_random_numbers_are_fixed_and_apart() {
        let draw = |seed, path: &[u64]| Random::new(seed, path).bits();
        assert_eq!(draw(1, &[2, 3]), draw(1, &[2, 3]));
        let all = [
            draw(1, &[2, 3]),
            draw(1, &[3, 2]),
            draw(1, &[2]),
            draw(2, &[2]),
            draw(1, &[]),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b));
        }
    }

    #[test]
    fn normals_have_mean_0_and_variance_1() {
        let mut random = Random::new(7, &[]);
        let draws: Vec<f64> = (0..50_000)
            .flat_map(|_| <[f64; 2]>::from(random.normals()))
            .collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }
}
