//! Memory asked for before it is read.

/// Brings the values into the core's cache beside what goes on. A hint: it changes nothing.
#[inline]
pub(crate) fn fetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        /// Bytes of a line of the cache.
        const LINE: usize = 64;
        for line in values.chunks((LINE / size_of::<T>().max(1)).max(1)) {
            #[expect(unsafe_code, reason = "the instruction has no safe face")]
            // SAFETY: it reads nothing into the program, and the address is that of a slice.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
            }
        }
    }
}
