//! Memory asked for before it is read.

/// Brings the values into the core's cache beside what goes on. A hint: it changes nothing, and on processors other than x86 it is none.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused_variables, reason = "there is nothing to ask with")
)]
#[inline]
pub(crate) fn fetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        /// Bytes of a line of the cache.
        const LINE: usize = 64;
        for line in values.chunks(LINE / size_of::<T>().clamp(1, LINE)) {
            #[expect(unsafe_code, reason = "the instruction has no safe face")]
            // SAFETY: it reads nothing into the program, and the address is that of a slice.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
            }
        }
    }
}
