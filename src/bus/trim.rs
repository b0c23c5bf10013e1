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
        if self.has_fallen(memory, connections) {
            tokio::task::spawn_blocking(hand_back);
        }
    }

    /// Once for each time that it has risen far enough.
    fn has_fallen(&mut self, memory: usize, connections: usize) -> bool {
        let less_memory = self.memory > WORTH_IT && memory < self.memory / 2;
        let fewer_connections = self.connections > MANY && connections < self.connections / 2;
        let has_fallen = less_memory || fewer_connections;
        if has_fallen {
            *self = HighWater { memory, connections };
        }
        self.memory = self.memory.max(memory);
        self.connections = self.connections.max(connections);
        has_fallen
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_of_either_from_high_enough_is_noticed_once() {
        let mut water = HighWater::default();
        let mut noticed = |memory, connections| water.has_fallen(memory, connections);
        assert!(!noticed(WORTH_IT, MANY) && !noticed(0, 0), "too little to be worth it");
        assert!(!noticed(3 * WORTH_IT, 0) && !noticed(2 * WORTH_IT, 0), "most of it is still there");
        assert!(noticed(WORTH_IT, 0) && !noticed(0, 0));
        assert!(!noticed(0, 4 * MANY) && !noticed(0, 3 * MANY));
        assert!(noticed(0, MANY) && !noticed(0, 0));
        // However much messages take meanwhile.
        assert!(!noticed(9 * WORTH_IT, 4 * MANY) && noticed(9 * WORTH_IT, MANY));
    }
}
