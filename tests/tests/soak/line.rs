//! A straight line through samples: how much something grew, and how sure that is (pure).

/// Samples of one quantity at points in time.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    /// What is measured, with its unit.
    pub(crate) name: &'static str,
    /// Seconds since the beginning, and the value.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The least-squares line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Growth per second.
    pub(crate) slope: f64,
    /// Standard error of the slope.
    pub(crate) error: f64,
    /// Seconds from the first to the last sample.
    pub(crate) span: f64,
}

impl Line {
    /// What the line says was gained from the first sample to the last.
    pub(crate) fn growth(self) -> f64 {
        self.slope * self.span
    }

    /// The least growth that the samples speak for: two standard errors below the line.
    pub(crate) fn certain_growth(self) -> f64 {
        2.0_f64.mul_add(-self.error, self.slope) * self.span
    }
}

impl Samples {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }

    pub(crate) fn line(&self) -> Line {
        let count = self.count();
        let mean = |of: fn(&(f64, f64)) -> f64| self.points.iter().map(of).sum::<f64>() / count;
        let (mean_at, mean_value) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = self.points.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
        let common: f64 = self.points.iter().map(|(at, value)| (at - mean_at) * (value - mean_value)).sum();
        let slope = common / spread;
        let off = |(at, value): &(f64, f64)| slope.mul_add(-(at - mean_at), value - mean_value).powi(2);
        let rest: f64 = self.points.iter().map(off).sum();
        let first_and_last = (self.points.first(), self.points.last());
        let span = if let (Some(first), Some(last)) = first_and_last { last.0 - first.0 } else { 0.0 };
        Line { slope, error: (rest / (count - 2.0) / spread).sqrt(), span }
    }

    /// One row of the table: first, least, greatest, last, the line.
    pub(crate) fn row(&self) -> String {
        let line = self.line();
        let values = || self.points.iter().map(|point| point.1);
        format!(
            "{:<16} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>+14.3} {:>+12.3} {:>10.3}",
            self.name,
            values().next().unwrap_or_default(),
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
            values().next_back().unwrap_or_default(),
            line.slope * 3600.0,
            line.growth(),
            2.0 * line.error * line.span,
        )
    }

    /// The head of the table.
    pub(crate) fn head() -> String {
        format!(
            "{:<16} {:>10} {:>10} {:>10} {:>10} {:>14} {:>12} {:>10}",
            "", "first", "least", "greatest", "last", "slope/hour", "growth", "± (2σ)"
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    fn count(&self) -> f64 {
        self.points.len() as f64
    }
}

/// The mathematics, on samples whose line is known.
pub(crate) fn check() {
    let made = |of: fn(f64) -> f64| Samples {
        name: "made",
        points: (0..100).map(|at| (f64::from(at), of(f64::from(at)))).collect(),
    };
    let flat = made(|_| 7.0).line();
    assert!(flat.slope.abs() < 1e-9 && flat.error.abs() < 1e-9 && (flat.span - 99.0).abs() < 1e-9, "{flat:?}");
    let steep = made(|at| at.mul_add(3.0, 5.0)).line();
    assert!((steep.slope - 3.0).abs() < 1e-9 && (steep.growth() - 297.0).abs() < 1e-6, "{steep:?}");
    // A saw has no slope to speak of, a leaking saw has one in spite of its teeth.
    let saw = made(|at| at % 10.0).line();
    assert!(saw.certain_growth() < 0.0 && saw.growth().abs() < 2.0, "{saw:?}");
    let leaking = made(|at| at.mul_add(0.2, at % 10.0)).line();
    assert!(leaking.certain_growth() > 15.0, "{leaking:?}");
}
