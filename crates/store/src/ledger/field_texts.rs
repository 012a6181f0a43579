//! Fields as rows of the ledger say them. Each pass that follows a write reads all rows again, and most say what they said
//! before: those are not parsed again, and two rows that say the same share their fields.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::resources::from_json;
use amarre_core::model::Fields;

/// The fields of the last reading, by the digest of their text. Its key is this process's: no two texts can be written
/// that have one digest.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldTexts {
    key: RandomState,
    known: Arc<Mutex<BTreeMap<u64, Fields>>>,
}

impl FieldTexts {
    /// Begins a reading.
    pub fn reading(&self) -> TextReading {
        let before = std::mem::take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner));
        TextReading { texts: self.clone(), before, read: BTreeMap::new() }
    }
}

/// A reading. When it ends, what it did not read is forgotten.
pub(crate) struct TextReading {
    texts: FieldTexts,
    before: BTreeMap<u64, Fields>,
    read: BTreeMap<u64, Fields>,
}

impl TextReading {
    /// The fields that a text says; none where it is not one of ours.
    pub fn fields(&mut self, text: &str) -> Fields {
        let digest = self.texts.key.hash_one(text);
        let before = &mut self.before;
        let parse = || before.remove(&digest).unwrap_or_else(|| from_json(text));
        self.read.entry(digest).or_insert_with(parse).clone()
    }
}

impl Drop for TextReading {
    fn drop(&mut self) {
        *self.texts.known.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut self.read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parsed_once_while_each_reading_has_it() {
        let texts = FieldTexts::default();
        let read = |all: &[&str]| {
            let mut reading = texts.reading();
            let fields: Vec<Fields> = all.iter().map(|text| reading.fields(text)).collect();
            (fields, reading.before.len())
        };
        let [one, two] = [r#"{"image":{"text":"app:1"}}"#, r#"{"image":{"text":"app:2"}}"#];
        let (fields, _) = read(&[one, two, one]);
        assert_eq!(fields[0], fields[2]);
        assert_ne!(fields[0], fields[1]);
        assert_eq!(read(&[one]).1, 1, "the second was known and is not asked for");
        let (again, left) = read(&[two, one]);
        assert_eq!(
            (again, left),
            (vec![fields[1].clone(), fields[0].clone()], 0),
            "the second was forgotten, and is read"
        );
    }
}
