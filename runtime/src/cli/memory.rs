//! How a model's program asks the system for memory.

/// The allocator of a model's program. A step asks for the same arrays, large and small, as the one before: the system's
/// allocator gives the large ones back, to be mapped and cleared again, or searches long for the small ones.
pub use mimalloc::MiMalloc as Memory;

/// Keeps freed memory for what comes instead of giving it back to the system.
pub fn keep() {
    /// Milliseconds until freed memory goes back; never, if negative. `mi_option_purge_delay` of `mimalloc.h`, which the crate does
    /// not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    #[expect(unsafe_code, reason = "the crate has no safe face for options")]
    // SAFETY: sets a number of the allocator.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, -1);
    }
}
