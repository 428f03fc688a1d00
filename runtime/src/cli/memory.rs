//! How the process asks the system for memory.

/// Keeps freed memory for the next step instead of giving it back to the system, which would hand out, and clear, the same pages
/// again and again: every step asks for the same large arrays. For the GNU C library; others are left as they are.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Larger arrays are mapped one by one and given back; the most that the library allows.
        const LARGE: libc::c_int = 32 << 20;
        #[expect(unsafe_code, reason = "the C library has no safe face")]
        // SAFETY: sets two numbers of the allocator; a refusal leaves them as they were.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}
