//! Handing memory back to the system after a bus has held much: the allocator
//! keeps what was freed for the next time, which may not come.

/// What is worth the trouble, in bytes.
const WORTH_IT: usize = 2 * 1024 * 1024;

/// About what a connection takes beside what is counted as memory.
const CONNECTION: usize = 4 * 1024;

/// The most that was taken since memory was last handed back.
#[derive(Default)]
pub struct HighWater(usize);

impl HighWater {
    /// To be called now and then. Hands back what is free, in a thread of its
    /// own, once most of what was taken is.
    pub fn look(&mut self, memory: usize, connections: usize) {
        let taken = memory + connections * CONNECTION;
        if self.0 > WORTH_IT && taken < self.0 / 2 {
            self.0 = taken;
            tokio::task::spawn_blocking(hand_back);
        }
        self.0 = self.0.max(taken);
    }
}

#[cfg(target_env = "gnu")]
fn hand_back() {
    unsafe extern "C" {
        /// Of glibc: gives free memory of all arenas back, but for `pad` bytes
        /// at the end of the heap. May be called by any thread at any time.
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

/// Other allocators do it by themselves.
#[cfg(not(target_env = "gnu"))]
fn hand_back() {}
