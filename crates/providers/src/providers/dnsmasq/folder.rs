//! The folder that dnsmasq's `conf-dir` names: every file of it is read, one is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::lines::{ConfLine, read};

/// The file that Amarre writes; every other file belongs to somebody else.
pub const OWN_FILE: &str = "amarre.conf";
/// A name that dnsmasq does not read, beside it.
const NEW_FILE: &str = ".amarre.conf.new";
/// Ten thousand records of a hundred bytes; a larger file is no configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;
const HEADER: &str = "# Written by Amarre. Changes made here are lost; put yours into another file of this folder.";

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// From the file and the line; stays as long as the line does.
    pub id: u64,
    /// The name of the file.
    pub file: String,
    pub entry: ConfLine,
}

/// Every record in the folder.
///
/// # Errors
/// The folder or a file cannot be read, or a file is too large.
pub fn read_all(folder: &Path) -> io::Result<Vec<PlacedLine>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<io::Result<_>>()?;
    files.sort();
    let mut placed: Vec<PlacedLine> = Vec::new();
    for path in files {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_ignored(&file) || !path.is_file() {
            continue;
        }
        if fs::metadata(&path)?.len() > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("{file} is larger than 1 MiB")));
        }
        for entry in fs::read_to_string(&path)?.lines().flat_map(read) {
            let nth = placed.iter().filter(|other| other.file == file && other.entry == entry).count();
            placed.push(PlacedLine { id: id(&file, &entry, nth), file: file.clone(), entry });
        }
    }
    Ok(placed)
}

/// Writes these records, and no other, into Amarre's own file: whole or not at all.
///
/// # Errors
/// The folder cannot be written.
pub fn write_own(folder: &Path, entries: &[ConfLine]) -> io::Result<()> {
    let mut text = format!("{HEADER}\n");
    for entry in entries {
        text.push_str(&super::lines::write(entry));
        text.push('\n');
    }
    let new = folder.join(NEW_FILE);
    let mut file = fs::File::create(&new)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, folder.join(OWN_FILE))?;
    fs::File::open(folder)?.sync_all()
}

/// dnsmasq skips these in a `conf-dir` (its manual, `--conf-dir`).
fn is_ignored(file: &str) -> bool {
    file.ends_with('~') || file.starts_with('.') || (file.starts_with('#') && file.ends_with('#'))
}

/// Below 2^53, so that JSON holds it; never 0, which stands for an id that is not known.
fn id(file: &str, entry: &ConfLine, nth: usize) -> u64 {
    let ConfLine { name, record_type, value, ttl } = entry;
    let digest = Sha256::digest(format!("{file}\n{name}\n{record_type}\n{value}\n{ttl}\n{nth}"));
    let number = digest.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte));
    number.max(1)
}
