//! A source without some of its files.

use super::Source;

impl Source {
    /// The same without the files that are not `kept`.
    pub(crate) fn retain(&self, kept: &[bool]) -> Self {
        let inputs = self.inputs.iter().zip(kept).filter(|(_, kept)| **kept).map(|(input, _)| input.clone()).collect();
        Self { inputs, ..self.clone() }
    }
}
