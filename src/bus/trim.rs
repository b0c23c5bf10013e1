//! Handing memory back to the system after a bus has held much: the allocator
//! keeps what was freed for the next time, which may not come.

/// Bytes of messages that are worth the trouble.
const WORTH_IT: usize = 2 * 1024 * 1024;

/// As many connections are: each took some 20 KiB while it was opened.
const MANY: usize = 100;

/// The most that was taken since memory was last handed back.
#[derive(Default)]
pub struct HighWater {
    memory: usize,
    connections: usize,
}

impl HighWater {
    /// To be called now and then. Hands back what is free, in a thread of its
    /// own, once most of what was taken is.
    pub fn look(&mut self, memory: usize, connections: usize) {
        let less_memory = self.memory > WORTH_IT && memory < self.memory / 2;
        let fewer_connections = self.connections > MANY && connections < self.connections / 2;
        if less_memory || fewer_connections {
            *self = HighWater { memory, connections };
            tokio::task::spawn_blocking(hand_back);
        }
        self.memory = self.memory.max(memory);
        self.connections = self.connections.max(connections);
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
