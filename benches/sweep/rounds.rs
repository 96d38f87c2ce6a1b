//! Fair comparisons: the contenders take turns, so that what changes on the machine meets all of them, and ratios are
//! taken within a round.

use crate::options::Options;

/// Something that is measured against others.
pub struct Contender<'a, M> {
    pub name: String,
    pub run: Box<dyn Fn() -> M + 'a>,
}

/// A contender's measurements, one of each round that counts.
pub struct Series<M> {
    pub name: String,
    pub measured: Vec<M>,
}

impl<'a, M> Contender<'a, M> {
    pub fn new(name: impl Into<String>, run: impl Fn() -> M + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Lets everyone run once in every round.
pub fn play<M>(case: &str, contenders: &[Contender<'_, M>], options: &Options) -> Vec<Series<M>> {
    let (warm_ups, rounds) = (options.warm_ups(), options.rounds());
    let mut series: Vec<_> = contenders.iter().map(|one| Series::named(&one.name)).collect();
    for round in 1..=warm_ups + rounds {
        for (contender, series) in contenders.iter().zip(&mut series) {
            eprintln!("[{case}] round {round} of {}: {}", warm_ups + rounds, contender.name);
            let measured = (contender.run)();
            if round > warm_ups {
                series.measured.push(measured);
            }
        }
    }
    series
}

impl<M> Series<M> {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), measured: Vec::new() }
    }

    /// The median of a property that the measurements may have.
    pub fn median(&self, property: impl Fn(&M) -> Option<f64>) -> Option<f64> {
        median(self.measured.iter().filter_map(property).collect())
    }

    /// The median of how often this one's property contains that of `base` in the same round.
    pub fn ratio(&self, base: &Self, property: impl Fn(&M) -> Option<f64>) -> Option<f64> {
        let pairs = self.measured.iter().zip(&base.measured);
        median(pairs.filter_map(|(own, other)| Some(property(own)? / property(other)?)).collect())
    }
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}
