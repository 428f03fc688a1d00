//! Cycles of what points to at most one other: parents of tasks, domains that are like another.

/// Every cycle, once. Walking on from each place, over places that no walk has seen, finds them
/// in linear time.
pub(super) fn cycles(next: &[Option<usize>]) -> Vec<Vec<usize>> {
    let mut walk_of: Vec<Option<usize>> = vec![None; next.len()];
    let mut cycles = Vec::new();
    for start in 0..next.len() {
        let mut path = Vec::new();
        let mut step = Some(start);
        while let Some(place) = step {
            match walk_of.get_mut(place) {
                Some(walk @ None) => *walk = Some(start),
                Some(Some(walk)) if *walk == start => {
                    let cycle = path.iter().copied().skip_while(|step| *step != place);
                    cycles.push(cycle.collect());
                    break;
                }
                _ => break,
            }
            path.push(place);
            step = next.get(place).copied().flatten();
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::cycles;

    #[test]
    fn each_cycle_is_found_once() {
        let none: Vec<Vec<usize>> = vec![];
        assert_eq!(cycles(&[]), none);
        assert_eq!(cycles(&[None, Some(0), Some(1)]), none);
        assert_eq!(
            cycles(&[Some(1), Some(2), Some(1), Some(3), Some(0)]),
            [vec![1, 2], vec![3]]
        );
    }
}
