//! Word counts in bounded memory.

use std::collections::HashMap;

/// Words counted at once. Above that, rare words are dropped.
const MAX_WORDS: usize = 4096;

/// Longest word that gets a count, in bytes.
const MAX_WORD_BYTES: usize = 256;

/// The frequency of each word: exact for up to 4,096 words, else a lower bound: no count is more than twice
/// `known / MAX_WORDS` too low (Anderson et al. 2017, "A high-performance algorithm for identifying frequent items in data
/// streams", with the exact median). Which words are kept depends on the words and their order alone.
#[derive(Debug, Clone, Default)]
pub(super) struct WordCounts {
    counts: HashMap<String, u64>,
    pub(super) known: u64,
    pub(super) nulls: u64,
    pruned: bool,
    /// Distinct words before [`keep_most_frequent`](Self::keep_most_frequent), at least.
    distinct: Option<u64>,
}

impl WordCounts {
    /// Counts a word, or a null.
    pub(super) fn push(&mut self, word: Option<&str>) {
        let Some(word) = word else {
            self.nulls += 1;
            return;
        };
        self.known += 1;
        if let Some(count) = self.counts.get_mut(word) {
            *count += 1;
        } else if word.len() > MAX_WORD_BYTES {
            self.pruned = true;
        } else {
            if self.counts.len() == MAX_WORDS {
                self.prune();
            }
            self.counts.insert(word.to_owned(), 1);
        }
    }

    /// Subtracts the median count from every word, and drops the words that reach zero.
    fn prune(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let middle = counts.len() / 2;
        let (_, &mut median, _) = counts.select_nth_unstable(middle);
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(median);
            *count > 0
        });
        self.pruned = true;
    }

    /// The words with their counts, the most frequent first; equal counts in the order of the words.
    pub(super) fn by_frequency(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(word, &count)| (word.as_str(), count)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }

    /// Whether no word was dropped.
    pub(super) fn is_complete(&self) -> bool {
        !self.pruned
    }

    /// The number of distinct words; a lower bound if some were dropped.
    pub(super) fn distinct(&self) -> u64 {
        self.distinct.unwrap_or(self.counts.len() as u64)
    }

    /// Drops all but the `most` most frequent words after counting, to free memory for other columns.
    pub(super) fn keep_most_frequent(&mut self, most: usize) {
        self.distinct = Some(self.distinct());
        if self.counts.len() > most {
            let kept = self.by_frequency().into_iter().take(most);
            self.counts = kept.map(|(word, count)| (word.to_owned(), count)).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_are_counted_exactly() {
        let mut words = WordCounts::default();
        ["b", "a", "b", "c", "a"].into_iter().for_each(|word| words.push(Some(word)));
        words.push(None);
        assert_eq!(words.by_frequency(), [("a", 2), ("b", 2), ("c", 1)]);
        assert_eq!((words.known, words.nulls, words.is_complete(), words.distinct()), (5, 1, true, 3));
    }

    #[test]
    fn frequent_words_are_kept_in_bounded_memory() {
        let mut words = WordCounts::default();
        for n in 0..200_000_u32 {
            words.push(Some(&if n % 4 == 0 { format!("often {}", n % 5) } else { n.to_string() }));
            assert!(words.counts.len() <= MAX_WORDS);
        }
        let most = words.by_frequency();
        let often: Vec<&str> = most[..5].iter().map(|(word, _)| *word).collect();
        assert_eq!(often, ["often 0", "often 1", "often 2", "often 3", "often 4"]);
        // 10,000 each.
        assert!(most[..5].iter().all(|(_, count)| (9_900..=10_000).contains(count)), "{:?}", &most[..5]);
        assert!(most[5].1 < 100 && !words.is_complete());
    }

    #[test]
    fn totals_stay_when_only_the_most_frequent_words_are_kept() {
        let mut words = WordCounts::default();
        ["b", "a", "b", "c", "c", "b"].into_iter().for_each(|word| words.push(Some(word)));
        words.keep_most_frequent(2);
        assert_eq!(words.by_frequency(), [("b", 3), ("c", 2)]);
        assert_eq!((words.known, words.is_complete(), words.distinct()), (6, true, 3));
    }

    #[test]
    fn a_very_long_word_gets_no_count() {
        let mut words = WordCounts::default();
        words.push(Some(&"x".repeat(1 << 20)));
        assert_eq!((words.known, words.distinct(), words.is_complete()), (1, 0, false));
    }
}
