//! One family of metrics: its name, help and type, and a value for each set of
//! labels.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::histogram::Counts;

/// Names and values.
pub type Labels = Vec<(String, String)>;

pub struct Family {
    /// Without the `_total` of a counter.
    name: &'static str,
    help: &'static str,
    kind: MetricType,
}

/// The `le` of a histogram's buckets, as powers of two of a microsecond, from
/// 64 µs to 67 s: where the edges of our own buckets are.
const POWERS: std::ops::RangeInclusive<u32> = 6..=26;

impl Family {
    pub const fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::Counter }
    }

    pub const fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::Gauge }
    }

    pub const fn histogram(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::Histogram }
    }

    fn write<V>(
        &self,
        to: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (Labels, V)>,
        value: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = to.encode_descriptor(self.name, self.help, None, self.kind)?;
        for (labels, of_one) in values {
            value(&mut family.encode_family(&labels)?, of_one)?;
        }
        Ok(())
    }

    /// Whole numbers.
    pub fn all<'a>(
        &self,
        to: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, u64)>,
    ) -> fmt::Result {
        self.all_owned(to, values.into_iter().map(|(labels, value)| (owned(&labels), value)))
    }

    pub fn all_owned(
        &self,
        to: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) -> fmt::Result {
        let is_counter = matches!(self.kind, MetricType::Counter);
        self.write(to, values, |encoder, value| match is_counter {
            true => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            false => gauge(encoder, &value),
        })
    }

    /// A gauge or counter without others beside it.
    pub fn one(&self, to: &mut DescriptorEncoder<'_>, labels: &[(&'static str, &str)], value: u64) -> fmt::Result {
        self.all(to, [(labels.to_vec(), value)])
    }

    pub fn one_float(
        &self,
        to: &mut DescriptorEncoder<'_>,
        labels: &[(&'static str, &str)],
        value: f64,
    ) -> fmt::Result {
        self.all_floats(to, [(labels.to_vec(), value)])
    }

    /// Gauges that are no whole numbers.
    pub fn all_floats<'a>(
        &self,
        to: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, f64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(labels, value)| (owned(&labels), value));
        self.write(to, values, |encoder, value| gauge(encoder, &value))
    }

    /// Histograms.
    pub fn times<'a>(
        &self,
        to: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, Counts)>,
    ) -> fmt::Result {
        self.times_owned(to, values.into_iter().map(|(labels, counts)| (owned(&labels), counts)))
    }

    pub fn times_owned(
        &self,
        to: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = (Labels, Counts)>,
    ) -> fmt::Result {
        self.write(to, values, |encoder, counts| {
            let total = counts.total();
            let mut buckets = Vec::with_capacity(POWERS.count());
            let mut before = 0;
            for power in POWERS {
                let below = counts.below_power(power);
                buckets.push(((1u64 << power) as f64 / 1e6, below - before));
                before = below;
            }
            // The encoder adds the one for all, which is the total.
            encoder.encode_histogram::<NoLabelSet>(counts.sum() as f64 / 1e6, total, &buckets, None)
        })
    }
}

fn gauge(encoder: &mut MetricEncoder<'_>, value: &impl EncodeGaugeValue) -> fmt::Result {
    encoder.encode_gauge(value)
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
