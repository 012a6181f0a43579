//! A list of a vendor, read row by row as it arrives: one row that is too large, or too many together, hides what it is
//! about and nothing else. Pure.
//!
//! | what | then |
//! |---|---|
//! | a row longer than a 16th of what is kept | slim: its large fields are left out |
//! | all rows together are more than is kept | the largest become slim, until the rest fits |
//! | slim ones together are still more, or [`SLIM_MAX`] are not enough | the whole list is too much |
//! | no list, or its end is missing | it is none |

use std::collections::{BTreeMap, BinaryHeap};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

/// A field of a slim row is no longer, unless the list needs it.
const FIELD_BYTES_MAX: usize = 4 * 1024;
/// More slim rows are no honest list.
const SLIM_MAX: usize = 2_000;
/// So many times of what is kept are read.
const READ_FACTOR: usize = 16;
/// How far a search for what means something goes at once.
const NEAR_BYTES: usize = 64;
/// What an object costs here beside its text.
const OBJECT_BYTES: usize = 128;

/// How a list looks, and how much of it is kept.
#[derive(Debug, Clone, Copy)]
pub struct ListForm {
    /// Open brackets around a row: 1 in `[{…}]`, 2 in `{"Volumes": [{…}]}`.
    pub depth: usize,
    /// Fields that a slim row keeps whatever they hold: what the thing is called.
    pub names: &'static [&'static str],
    /// Fields that may be `null` and not missing.
    pub required: &'static [&'static str],
    /// Bytes that are kept.
    pub bytes: usize,
}

/// The rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// As they are.
    pub rows: Vec<T>,
    /// Without their large fields.
    pub slim: Vec<T>,
}

impl<T> Listed<T> {
    /// Each of them, for what needs no large field.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().chain(&self.slim)
    }

    /// All of them, for what needs no large field.
    pub fn all(mut self) -> Vec<T> {
        self.rows.append(&mut self.slim);
        self.rows
    }
}

/// Why a list is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// It is too large, without its large fields, too.
    TooLarge,
    /// It is no list of such rows, or not all of it came.
    Garbled,
}

/// A list on its way.
#[derive(Debug, Clone)]
pub struct RowReader {
    form: ListForm,
    read: usize,
    depth: usize,
    in_text: bool,
    is_escaped: bool,
    /// Its first bracket came.
    is_begun: bool,
    /// It is no list of objects.
    is_odd: bool,
    row: OpenRow,
    rows: BTreeMap<usize, Vec<u8>>,
    slim: Vec<Vec<u8>>,
    /// Of those in `rows`: what each costs.
    costs: BinaryHeap<(usize, usize)>,
    kept: usize,
    next: usize,
    is_over: bool,
}

/// A row on its way.
#[derive(Debug, Clone, Default)]
struct OpenRow {
    bytes: Vec<u8>,
    objects: usize,
    /// Where its last field begins, and the large ones before that.
    field: usize,
    large: Vec<(usize, usize)>,
    is_slim: bool,
    /// The rest of the field is left out.
    skips: bool,
}

impl RowReader {
    pub fn new(form: ListForm) -> Self {
        Self {
            form,
            read: 0,
            depth: 0,
            in_text: false,
            is_escaped: false,
            is_begun: false,
            is_odd: false,
            row: OpenRow::default(),
            rows: BTreeMap::new(),
            slim: Vec::new(),
            costs: BinaryHeap::new(),
            kept: 0,
            next: 0,
            is_over: false,
        }
    }

    /// Takes the next bytes; `false`: no more are wanted.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        self.read = self.read.saturating_add(bytes.len());
        self.is_over |= self.read > self.form.bytes.saturating_mul(READ_FACTOR);
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_over {
            let (plain, after) = rest.split_at(self.plain(rest));
            if let [byte, after @ ..] = after
                && plain.is_empty()
            {
                self.step(*byte);
                rest = after;
                continue;
            }
            if !self.in_text && self.is_beside_rows() {
                self.is_odd |= !plain.iter().all(u8::is_ascii_whitespace);
            }
            if self.depth > self.form.depth {
                self.put(plain);
            }
            rest = after;
        }
        !self.is_over
    }

    /// How many bytes at least come before the next one that means something here.
    fn plain(&self, bytes: &[u8]) -> usize {
        match (self.in_text, self.is_escaped) {
            (true, true) => 0,
            (true, false) => memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len()),
            (false, _) => {
                // Six are two searches, neither of which goes far past what the other finds.
                let near = &bytes[..bytes.len().min(NEAR_BYTES)];
                let opening = memchr::memchr3(b'"', b'{', b'[', near).unwrap_or(near.len());
                memchr::memchr3(b'}', b']', b',', &near[..opening]).unwrap_or(opening)
            }
        }
    }

    fn step(&mut self, byte: u8) {
        let in_row = self.depth > self.form.depth;
        if self.in_text {
            (self.in_text, self.is_escaped) = match (byte, self.is_escaped) {
                (_, true) => (true, false),
                (b'\\', false) => (true, true),
                (b'"', false) => (false, false),
                (_, false) => (true, false),
            };
            if in_row {
                self.put(&[byte]);
            }
            return;
        }
        match byte {
            b'"' => {
                self.is_odd |= self.is_beside_rows();
                self.in_text = true;
            }
            b'{' | b'[' => {
                let begins = byte == b'{' && self.depth == self.form.depth;
                let is_first = self.depth == 0;
                self.is_odd |= is_first && (self.is_begun || (byte == b'[') != (self.form.depth == 1));
                self.is_odd |= byte == b'[' && self.is_beside_rows();
                self.is_begun = true;
                self.depth += 1;
                if begins {
                    self.row = OpenRow { field: 1, ..OpenRow::default() };
                }
                self.row.objects += usize::from(byte == b'{');
                if in_row || begins {
                    self.put(&[byte]);
                }
                return;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if in_row && self.depth == self.form.depth {
                    self.end_field();
                    self.row.bytes.push(byte);
                    return self.end_row();
                }
            }
            b',' if self.depth == self.form.depth + 1 => {
                self.end_field();
                self.row.bytes.push(byte);
                self.row.field = self.row.bytes.len();
                return;
            }
            _ => (),
        }
        if in_row {
            self.put(&[byte]);
        }
    }

    /// Whether only rows may come here.
    fn is_beside_rows(&self) -> bool {
        self.depth == self.form.depth && self.depth < 2
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.row.skips {
            return;
        }
        self.row.bytes.extend_from_slice(bytes);
        let row_max = self.form.bytes / 16;
        if !self.row.is_slim && self.row.bytes.len() > row_max {
            self.row.slim(self.form.names);
        } else if self.row.is_slim && self.row.is_field_large(self.form.names) {
            self.row.drop_field();
            self.row.skips = true;
        }
        self.is_over |= self.row.bytes.len() > self.form.bytes;
    }

    fn end_field(&mut self) {
        if std::mem::take(&mut self.row.skips) {
            return;
        }
        if !self.row.is_slim && self.row.is_field_large(self.form.names) {
            self.row.large.push((self.row.field, self.row.bytes.len()));
        }
    }

    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        if row.is_slim {
            self.keep_slim(row.bytes);
        } else {
            let cost = row.bytes.len() + row.objects * OBJECT_BYTES;
            self.kept += cost;
            self.costs.push((cost, self.next));
            self.rows.insert(self.next, row.bytes);
            self.next += 1;
        }
        while self.kept > self.form.bytes && !self.is_over {
            let largest = self.costs.pop().and_then(|(cost, at)| Some((cost, self.rows.remove(&at)?)));
            let Some((cost, bytes)) = largest else { return self.is_over = true };
            self.kept -= cost;
            let mut slim = RowReader::new(ListForm { depth: 0, bytes: usize::MAX, ..self.form });
            slim.row.is_slim = true;
            self.keep_slim(slim.slim_row(&bytes));
        }
    }

    /// A row that was whole, without its large fields.
    fn slim_row(mut self, bytes: &[u8]) -> Vec<u8> {
        let Some((first, rest)) = bytes[..bytes.len().saturating_sub(1)].split_first() else { return Vec::new() };
        self.step(*first);
        self.row.is_slim = true;
        self.take(rest);
        self.end_field();
        self.row.bytes.push(b'}');
        self.row.bytes
    }

    fn keep_slim(&mut self, bytes: Vec<u8>) {
        self.kept += bytes.len();
        self.slim.push(without_empty_fields(bytes));
        self.is_over |= self.slim.len() > SLIM_MAX;
    }

    /// Whether it is too large.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether all of the list came.
    pub fn is_whole(&self) -> bool {
        self.is_begun && self.depth == 0 && !self.in_text && !self.is_over && !self.is_odd
    }

    /// The rows.
    ///
    /// # Errors
    /// It is too large, or no list of such rows.
    pub fn listed<T: DeserializeOwned>(self) -> Result<Listed<T>, ListError> {
        if self.is_over {
            return Err(ListError::TooLarge);
        }
        if !self.is_whole() {
            return Err(ListError::Garbled);
        }
        let parse = |bytes: &Vec<u8>| serde_json::from_slice(bytes).map_err(|_| ListError::Garbled);
        let rows = self.rows.values().map(parse).collect::<Result<_, _>>()?;
        let slim = self.slim.iter().map(|bytes| {
            let mut fields: Map<String, Json> = serde_json::from_slice(bytes).map_err(|_| ListError::Garbled)?;
            for name in self.form.required {
                fields.entry(*name).or_insert(Json::Null);
            }
            serde_json::from_value(Json::Object(fields)).map_err(|_| ListError::Garbled)
        });
        Ok(Listed { rows, slim: slim.collect::<Result<_, _>>()? })
    }
}

impl OpenRow {
    fn is_field_large(&self, names: &[&str]) -> bool {
        let field = &self.bytes[self.field.min(self.bytes.len())..];
        let is_name = |name: &&str| field.trim_ascii_start().starts_with(format!("\"{name}\"").as_bytes());
        field.len() > FIELD_BYTES_MAX && !names.iter().any(is_name)
    }

    /// From now on without large fields.
    fn slim(&mut self, names: &[&str]) {
        self.is_slim = true;
        if self.is_field_large(names) {
            self.drop_field();
            self.skips = true;
        }
        for (from, to) in std::mem::take(&mut self.large).into_iter().rev() {
            self.bytes.drain(from..to);
            self.field -= to - from;
        }
    }

    fn drop_field(&mut self) {
        self.bytes.truncate(self.field);
    }
}

/// Where a field was left out, two commas are beside one another, or one before the bracket.
fn without_empty_fields(bytes: Vec<u8>) -> Vec<u8> {
    let (mut plain, mut in_text, mut is_escaped) = (Vec::with_capacity(bytes.len()), false, false);
    for byte in bytes {
        let last = plain.iter().rev().find(|byte: &&u8| !byte.is_ascii_whitespace()).copied();
        if !in_text && byte == b',' && matches!(last, Some(b',' | b'{')) {
            continue;
        }
        if !in_text && byte == b'}' && last == Some(b',') {
            let end = plain.iter().rposition(|byte| *byte == b',').unwrap_or(plain.len());
            plain.truncate(end);
        }
        (in_text, is_escaped) = match (byte, in_text, is_escaped) {
            (_, true, true) => (true, false),
            (b'\\', true, false) => (true, true),
            (b'"', inside, false) => (!inside, false),
            (_, inside, _) => (inside, false),
        };
        plain.push(byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FORM: ListForm = ListForm { depth: 1, names: &["Id", "Names"], required: &[], bytes: 1024 * 1024 };

    fn read(form: ListForm, text: &str, piece: usize) -> Result<Listed<Json>, ListError> {
        let mut reader = RowReader::new(form);
        for piece in text.as_bytes().chunks(piece) {
            if !reader.take(piece) {
                break;
            }
        }
        reader.listed()
    }

    fn row(id: usize, label: &str) -> Json {
        json!({"Id": id, "Labels": {"a{\\\"": label, "b": ["]", 1]}, "Names": ["n".repeat(8_000)], "State": "running"})
    }

    #[test]
    fn rows_come_as_they_are() {
        let rows = json!([row(1, "x,}"), row(2, "\\"), {}, row(3, "")]);
        for text in [rows.to_string(), serde_json::to_string_pretty(&rows).unwrap()] {
            for piece in [1, 7, 100_000] {
                let listed = read(FORM, &text, piece).unwrap();
                assert_eq!((Json::Array(listed.rows), listed.slim.len()), (rows.clone(), 0));
            }
        }
        assert_eq!(read(FORM, " [ ] ", 1), Ok(Listed { rows: vec![], slim: vec![] }));
        let volumes = ListForm { depth: 2, ..FORM };
        let listed = read(volumes, r#"{"Volumes":[{"Name":"a"},{"Name":"b"}],"Warnings":["{",null]}"#, 3).unwrap();
        assert_eq!(listed.all(), [json!({"Name": "a"}), json!({"Name": "b"})]);
        assert_eq!(read(volumes, r#"{"Volumes":null}"#, 3).unwrap().all(), [] as [Json; 0]);
    }

    #[test]
    fn half_a_list_and_what_is_none_are_told_apart_from_an_empty_one() {
        for text in ["", "[", r#"[{"Id":1}"#, r#"[{"Id":1"#, r#"[{"Id":"#, "[\"", r#"[{"Id":}]"#] {
            assert_eq!(read(FORM, text, 2), Err(ListError::Garbled), "{text}");
        }
        for text in
            ["{}", r#"{"Id":1}"#, "[1]", "[null]", "[[{}]]", "[{},\"x\"]", "null", "\"[]\"", "[{}][{}]", "<html>"]
        {
            assert_eq!(read(FORM, text, 2), Err(ListError::Garbled), "{text}");
        }
    }

    #[test]
    fn a_row_that_is_too_large_loses_its_large_fields_and_no_other_row_anything() {
        let slim = |id: usize| json!({"Id": id, "Names": ["n".repeat(8_000)], "State": "running"});
        for large in [70_000, 2_000_000] {
            let large = "{,\"".repeat(large / 3);
            let list = |large: Json| json!([row(1, ""), large, row(3, "")]).to_string();
            let listed = read(FORM, &list(row(2, &large)), 4_096).unwrap();
            assert_eq!((listed.rows, listed.slim), (vec![row(1, ""), row(3, "")], vec![slim(2)]));
            let required = ListForm { required: &["Labels"], ..FORM };
            let listed = read(required, &list(row(2, &large)), 4_096).unwrap();
            assert_eq!(listed.slim[0].get("Labels"), Some(&Json::Null));
            // Whichever field it is, and with blanks.
            let last = json!({"A": large, "Id": 2, "Names": [], "Z": large});
            let text = serde_json::to_string_pretty(&json!([last])).unwrap();
            assert_eq!(read(FORM, &text, 999).unwrap().slim, [json!({"Id": 2, "Names": []})]);
        }
    }

    #[test]
    fn of_too_many_rows_the_largest_are_slim() {
        let rows: Vec<Json> = (0..100).map(|id| row(id, &"x".repeat(if id % 3 == 0 { 40_000 } else { 100 }))).collect();
        let listed = read(FORM, &Json::Array(rows.clone()).to_string(), 5_000).unwrap();
        assert!(listed.slim.len() > 5 && listed.slim.iter().all(|row| row["Id"].as_u64().unwrap() % 3 == 0));
        assert!(listed.slim.iter().all(|row| row["State"] == "running" && row.get("Labels").is_none()));
        assert_eq!(listed.rows.len() + listed.slim.len(), 100);
        // Objects cost more than their text.
        let objects = format!("[{}]", "{},".repeat(200_000) + "{}");
        assert_eq!(read(FORM, &objects, 5_000), Err(ListError::TooLarge));
        let endless = format!("[{}", r#"{"Id":1,"Names":[]},"#.repeat(1_000_000));
        assert_eq!(read(FORM, &endless, 5_000), Err(ListError::TooLarge));
        let one = format!(r#"[{{"Id":"{}"#, "x".repeat(2_000_000));
        assert_eq!(read(FORM, &one, 5_000), Err(ListError::TooLarge), "a name is not left out");
        let texts = format!("[{}", "\"x\",".repeat(5_000_000));
        assert_eq!(read(FORM, &texts, 5_000), Err(ListError::TooLarge));
    }
}
