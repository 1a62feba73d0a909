//! The parts of the benchmark: what Lambda is to a function, a slow way to AWS, and what is read
//! out of profiles, processes and binaries.

pub mod callgrind;
pub mod elf;
pub mod function;
pub mod http;
pub mod process;
pub mod rounds;
pub mod runtime_api;
pub mod slow;
pub mod table;

/// The middle one of some figures; of an even number, the higher of the two in the middle.
pub fn median<T: Copy + PartialOrd>(figures: &[T]) -> Option<T> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_one() {
        assert_eq!(median::<u64>(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[0.3, 0.1]), Some(0.3));
    }
}
