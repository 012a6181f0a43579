//! The pages of `docs/errors`, one for each error code: what `amarre help CODE` and `/errors/CODE` show. Pure.
//!
//! The list below is written by `UPDATE=1 cargo nextest run -E 'test(every_page_is_in_the_program)'`.

use crate::model::near::nearest;

/// The page of a code, as Markdown; small letters are good enough.
pub fn page(code: &str) -> Option<&'static str> {
    let code = code.to_ascii_uppercase();
    PAGES.binary_search_by(|(known, _)| (*known).cmp(code.as_str())).ok().map(|at| PAGES[at].1)
}

/// Whether a word is meant as a code: `A0103`, `a103`.
pub fn is_code(word: &str) -> bool {
    let digits = word.strip_prefix(['A', 'a']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The code that somebody may have meant.
pub fn near(code: &str) -> Option<&'static str> {
    let known: Vec<&'static str> = PAGES.iter().map(|(code, _)| *code).collect();
    nearest(&code.to_ascii_uppercase(), &known)
}

/// Every code with its title, in order.
pub fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().map(|(code, page)| {
        let line = page.lines().next().unwrap_or_default();
        (*code, line.split_once(": ").map_or(line, |(_, title)| title))
    })
}

/// By code.
const PAGES: &[(&str, &str)] = &[
    ("A0101", include_str!("../docs/errors/A0101.md")),
    ("A0102", include_str!("../docs/errors/A0102.md")),
    ("A0103", include_str!("../docs/errors/A0103.md")),
    ("A0104", include_str!("../docs/errors/A0104.md")),
    ("A0105", include_str!("../docs/errors/A0105.md")),
    ("A0106", include_str!("../docs/errors/A0106.md")),
    ("A0107", include_str!("../docs/errors/A0107.md")),
    ("A0108", include_str!("../docs/errors/A0108.md")),
    ("A0109", include_str!("../docs/errors/A0109.md")),
    ("A0110", include_str!("../docs/errors/A0110.md")),
    ("A0111", include_str!("../docs/errors/A0111.md")),
    ("A0112", include_str!("../docs/errors/A0112.md")),
    ("A0113", include_str!("../docs/errors/A0113.md")),
    ("A0114", include_str!("../docs/errors/A0114.md")),
    ("A0115", include_str!("../docs/errors/A0115.md")),
    ("A0120", include_str!("../docs/errors/A0120.md")),
    ("A0121", include_str!("../docs/errors/A0121.md")),
    ("A0122", include_str!("../docs/errors/A0122.md")),
    ("A0123", include_str!("../docs/errors/A0123.md")),
    ("A0124", include_str!("../docs/errors/A0124.md")),
    ("A0131", include_str!("../docs/errors/A0131.md")),
    ("A0201", include_str!("../docs/errors/A0201.md")),
    ("A0202", include_str!("../docs/errors/A0202.md")),
    ("A0203", include_str!("../docs/errors/A0203.md")),
    ("A0204", include_str!("../docs/errors/A0204.md")),
    ("A0205", include_str!("../docs/errors/A0205.md")),
    ("A0206", include_str!("../docs/errors/A0206.md")),
    ("A0207", include_str!("../docs/errors/A0207.md")),
    ("A0208", include_str!("../docs/errors/A0208.md")),
    ("A0209", include_str!("../docs/errors/A0209.md")),
    ("A0220", include_str!("../docs/errors/A0220.md")),
    ("A0221", include_str!("../docs/errors/A0221.md")),
    ("A0240", include_str!("../docs/errors/A0240.md")),
    ("A0241", include_str!("../docs/errors/A0241.md")),
    ("A0242", include_str!("../docs/errors/A0242.md")),
    ("A0301", include_str!("../docs/errors/A0301.md")),
    ("A0302", include_str!("../docs/errors/A0302.md")),
    ("A0303", include_str!("../docs/errors/A0303.md")),
    ("A0304", include_str!("../docs/errors/A0304.md")),
    ("A0305", include_str!("../docs/errors/A0305.md")),
    ("A0306", include_str!("../docs/errors/A0306.md")),
    ("A0307", include_str!("../docs/errors/A0307.md")),
    ("A0308", include_str!("../docs/errors/A0308.md")),
    ("A0309", include_str!("../docs/errors/A0309.md")),
    ("A0310", include_str!("../docs/errors/A0310.md")),
    ("A0311", include_str!("../docs/errors/A0311.md")),
    ("A0401", include_str!("../docs/errors/A0401.md")),
    ("A0402", include_str!("../docs/errors/A0402.md")),
    ("A0403", include_str!("../docs/errors/A0403.md")),
    ("A0404", include_str!("../docs/errors/A0404.md")),
    ("A0405", include_str!("../docs/errors/A0405.md")),
    ("A0406", include_str!("../docs/errors/A0406.md")),
    ("A0407", include_str!("../docs/errors/A0407.md")),
    ("A0408", include_str!("../docs/errors/A0408.md")),
    ("A0409", include_str!("../docs/errors/A0409.md")),
    ("A0410", include_str!("../docs/errors/A0410.md")),
    ("A0411", include_str!("../docs/errors/A0411.md")),
    ("A0412", include_str!("../docs/errors/A0412.md")),
    ("A0501", include_str!("../docs/errors/A0501.md")),
    ("A0502", include_str!("../docs/errors/A0502.md")),
    ("A0503", include_str!("../docs/errors/A0503.md")),
    ("A0504", include_str!("../docs/errors/A0504.md")),
    ("A0505", include_str!("../docs/errors/A0505.md")),
    ("A0506", include_str!("../docs/errors/A0506.md")),
    ("A0507", include_str!("../docs/errors/A0507.md")),
    ("A0508", include_str!("../docs/errors/A0508.md")),
    ("A0509", include_str!("../docs/errors/A0509.md")),
    ("A0510", include_str!("../docs/errors/A0510.md")),
    ("A0511", include_str!("../docs/errors/A0511.md")),
    ("A0512", include_str!("../docs/errors/A0512.md")),
    ("A0520", include_str!("../docs/errors/A0520.md")),
    ("A0521", include_str!("../docs/errors/A0521.md")),
    ("A0522", include_str!("../docs/errors/A0522.md")),
    ("A0523", include_str!("../docs/errors/A0523.md")),
    ("A0524", include_str!("../docs/errors/A0524.md")),
    ("A0540", include_str!("../docs/errors/A0540.md")),
    ("A0601", include_str!("../docs/errors/A0601.md")),
    ("A0602", include_str!("../docs/errors/A0602.md")),
    ("A0603", include_str!("../docs/errors/A0603.md")),
    ("A0604", include_str!("../docs/errors/A0604.md")),
    ("A0605", include_str!("../docs/errors/A0605.md")),
    ("A0606", include_str!("../docs/errors/A0606.md")),
    ("A0607", include_str!("../docs/errors/A0607.md")),
    ("A0608", include_str!("../docs/errors/A0608.md")),
    ("A0610", include_str!("../docs/errors/A0610.md")),
    ("A0611", include_str!("../docs/errors/A0611.md")),
    ("A0612", include_str!("../docs/errors/A0612.md")),
    ("A0613", include_str!("../docs/errors/A0613.md")),
    ("A0701", include_str!("../docs/errors/A0701.md")),
    ("A0702", include_str!("../docs/errors/A0702.md")),
    ("A0703", include_str!("../docs/errors/A0703.md")),
    ("A0704", include_str!("../docs/errors/A0704.md")),
    ("A0705", include_str!("../docs/errors/A0705.md")),
    ("A0706", include_str!("../docs/errors/A0706.md")),
    ("A0707", include_str!("../docs/errors/A0707.md")),
    ("A0720", include_str!("../docs/errors/A0720.md")),
    ("A0721", include_str!("../docs/errors/A0721.md")),
    ("A0722", include_str!("../docs/errors/A0722.md")),
    ("A0723", include_str!("../docs/errors/A0723.md")),
    ("A0724", include_str!("../docs/errors/A0724.md")),
    ("A0901", include_str!("../docs/errors/A0901.md")),
    ("A0902", include_str!("../docs/errors/A0902.md")),
    ("A0903", include_str!("../docs/errors/A0903.md")),
    ("A0904", include_str!("../docs/errors/A0904.md")),
    ("A0905", include_str!("../docs/errors/A0905.md")),
    ("A0906", include_str!("../docs/errors/A0906.md")),
    ("A1001", include_str!("../docs/errors/A1001.md")),
    ("A1002", include_str!("../docs/errors/A1002.md")),
    ("A1003", include_str!("../docs/errors/A1003.md")),
    ("A1004", include_str!("../docs/errors/A1004.md")),
    ("A1005", include_str!("../docs/errors/A1005.md")),
    ("A1006", include_str!("../docs/errors/A1006.md")),
];
