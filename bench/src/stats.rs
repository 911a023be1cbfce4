//! Medians and percentiles.

/// The median; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value that `percent` of all are not above; 0 of nothing.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The median of `f` over the rounds of two series.
pub(crate) fn median_of(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    median(&a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>())
}

/// A count as a number to compute with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn medians_and_percentiles() {
        assert!(same(median(&[]), 0.0) && same(percentile(&[], 99), 0.0));
        assert!(same(median(&[3.0, 1.0, 2.0]), 2.0) && same(median(&[4.0, 1.0, 2.0, 3.0]), 2.5));
        let hundred: Vec<f64> = (1..=100).map(number).collect();
        assert!(same(percentile(&hundred, 50), 50.0) && same(percentile(&hundred, 99), 99.0));
        assert!(same(percentile(&[7.0], 99), 7.0));
        assert!(same(median_of(&[2.0, 9.0, 8.0], &[1.0, 3.0, 2.0], |a, b| a / b), 3.0));
    }
}
