//! Sums of products of whole numbers by the processor's own instructions, exact: all unsafe code of the
//! encoder's whole numbers.
#![allow(
    unsafe_code,
    reason = "the processor's own instructions: each block says which lengths were checked before"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "sums stay in registers only where loops over them have a fixed number of rounds and nothing takes their address"
)]

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Outputs that are worked on together, side by side in a panel.
pub(super) const COLUMNS: usize = 64;
/// Numbers that one lane of the instruction takes.
pub(super) const LANE: usize = 4;
/// Rows of a tile: with four vectors of sums each they fill the registers.
pub(super) const TILE_ROWS: usize = 6;

/// Sums of the products of a tile.
pub(super) type Sums = [[i32; COLUMNS]; TILE_ROWS];

/// The instruction sets that are made use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    /// AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    /// AVX-VNNI, on processors without AVX-512.
    #[cfg(target_arch = "x86_64")]
    Vnni256,
    /// AVX2, by products in sixteen bits. Its products of bytes saturate where two are added, so that they would
    /// take a bit off the states; these are exact.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON with dot products (ARMv8.2 and later).
    #[cfg(target_arch = "aarch64")]
    Dot,
}

impl Instructions {
    /// The fastest that this processor has, if there is any.
    pub(super) fn best() -> Option<Self> {
        Self::all().next()
    }

    /// Those that this processor has, the fastest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let known = [
            (
                Self::Vnni512,
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"),
            ),
            (
                Self::Vnni256,
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            ),
            (Self::Avx2, is_x86_feature_detected!("avx2")),
        ];
        #[cfg(target_arch = "aarch64")]
        let known = [(
            Self::Dot,
            std::arch::is_aarch64_feature_detected!("dotprod"),
        )];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let known = [];
        known
            .into_iter()
            .filter_map(|(set, has)| has.then_some(set))
    }

    /// Whether the states that it takes have a sign: then they are from -128 to 127, else from 0 to 255.
    pub(super) fn signed(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni512 | Self::Vnni256 | Self::Avx2 => false,
            #[cfg(target_arch = "aarch64")]
            Self::Dot => true,
        }
    }
}

/// What a tile of at most [`TILE_ROWS`] rows and [`COLUMNS`] outputs is made from.
pub(super) struct Tile<'a> {
    /// `[stride / LANE, COLUMNS, LANE]`
    pub(super) panel: &'a [i8],
    /// `[rows, stride]`
    pub(super) numbers: &'a [u8],
    pub(super) stride: usize,
}

impl Tile<'_> {
    /// Rows of the tile.
    fn rows(&self) -> usize {
        self.numbers.len() / self.stride
    }

    /// Four neighbouring states of a row, as the instruction takes them.
    ///
    /// # Safety
    /// `row` and `lane` are within `numbers`.
    #[inline(always)]
    unsafe fn lane(&self, row: usize, lane: usize) -> i32 {
        let at = row * self.stride + lane * LANE;
        // SAFETY: four bytes that the caller knows to be there.
        unsafe { self.numbers.as_ptr().add(at).cast::<i32>().read_unaligned() }
    }
}

impl Instructions {
    /// The sums of a tile; those of rows that it does not have are left as they were.
    pub(super) fn sums(self, tile: &Tile<'_>, sums: &mut Sums) {
        match tile.rows() {
            1 => self.rows::<1>(tile, sums),
            2 => self.rows::<2>(tile, sums),
            3 => self.rows::<3>(tile, sums),
            4 => self.rows::<4>(tile, sums),
            5 => self.rows::<5>(tile, sums),
            _ => self.rows::<TILE_ROWS>(tile, sums),
        }
    }

    fn rows<const R: usize>(self, tile: &Tile<'_>, sums: &mut Sums) {
        assert!(
            tile.panel.len() == tile.stride * COLUMNS
                && tile.stride.is_multiple_of(LANE)
                && tile.numbers.len() == R * tile.stride
                && R <= TILE_ROWS,
            "sizes of a tile"
        );
        match self {
            // SAFETY: `all` found the instructions on this processor; the sizes are asserted above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni512 => unsafe { x86::vnni512::<R>(tile, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni256 => unsafe { x86::vnni256::<R>(tile, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2::<R>(tile, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Dot => unsafe { arm::dot::<R>(tile, sums) },
        }
    }
}
