//! Buffers used again and again: asking the system for fresh pages at every step costs as much as
//! the arithmetic.

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Vec<Vec<f32>>,
}

impl Buffers {
    /// A buffer of `len` values, with anything in them: the smallest free one that holds so many.
    pub(super) fn take(&mut self, len: usize) -> Vec<f32> {
        let best = (0..self.free.len())
            .filter(|&i| self.free[i].capacity() >= len)
            .min_by_key(|&i| self.free[i].capacity());
        let mut buffer = match best {
            Some(i) => self.free.swap_remove(i),
            // None is large enough: a new one, and the smallest of the old ones makes room for it.
            None => {
                let smallest = (0..self.free.len()).min_by_key(|&i| self.free[i].capacity());
                if let Some(i) = smallest.filter(|_| self.free.len() > 64) {
                    self.free.swap_remove(i);
                }
                // A little more than asked, so that the next batch, hardly longer, fits as well.
                Vec::with_capacity(len + len / 8)
            }
        };
        buffer.resize(len, 0.0);
        buffer
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, buffer: Vec<f32>) {
        if buffer.capacity() > 0 {
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back() {
        let mut buffers = Buffers::default();
        let first = buffers.take(1000);
        let place = first.as_ptr();
        buffers.give(first);
        let again = buffers.take(900);
        assert_eq!((again.as_ptr(), again.len()), (place, 900));
    }
}
