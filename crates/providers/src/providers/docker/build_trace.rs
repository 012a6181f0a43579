//! What BuildKit says of a build. It stands in `aux` of `moby.buildkit.trace`, a protobuf message `moby.buildkit.v1.StatusResponse` in
//! base64: field 1 are steps (1 digest, 3 name, 4 cached, 5 started, 6 completed, 7 error; times are 1 seconds, 2 nanos), field 3
//! are pieces of logs (1 digest of the step, 4 bytes).

use super::images::built_images::without_digits;
use amarre_core::model::Timestamp;
use amarre_core::model::build_log::{BuildLog, StepNews};

/// Takes one message over into the log of its build.
pub(super) fn read(message: &[u8], log: &mut BuildLog) {
    for (number, field) in fields(message) {
        let ProtobufField::Bytes(bytes) = field else { continue };
        match number {
            1 => step(bytes, log),
            3 => printed(bytes, log),
            _ => (),
        }
    }
}

fn step(message: &[u8], log: &mut BuildLog) {
    let (mut id, mut name) = (String::new(), String::new());
    let mut news = StepNews::default();
    for (number, field) in fields(message) {
        match (number, field) {
            (1, ProtobufField::Bytes(bytes)) => id = String::from_utf8_lossy(bytes).into_owned(),
            (3, ProtobufField::Bytes(bytes)) => name = without_digits(&String::from_utf8_lossy(bytes)),
            (4, ProtobufField::Number(number)) => news.is_cached = number != 0,
            (5, ProtobufField::Bytes(bytes)) => news.began = time(bytes),
            (6, ProtobufField::Bytes(bytes)) => news.ended = time(bytes),
            (7, ProtobufField::Bytes(bytes)) => news.failed = !bytes.is_empty(),
            (_, _) => (),
        }
    }
    // What has not begun may never be: steps that are not needed are told of, too.
    let is_news = news.began.is_some() || news.is_cached || log.has(&id);
    if is_news && !name.starts_with("[internal]") {
        log.step(StepNews { id: &id, name: &name, ..news });
    }
}

fn time(message: &[u8]) -> Option<Timestamp> {
    let (mut seconds, mut nanos) = (0, 0);
    for (number, field) in fields(message) {
        match (number, field) {
            (1, ProtobufField::Number(number)) => seconds = number,
            (2, ProtobufField::Number(number)) => nanos = number,
            (_, _) => (),
        }
    }
    let millis = seconds.checked_mul(1_000)?.checked_add(nanos / 1_000_000)?;
    i64::try_from(millis).ok().filter(|millis| *millis > 0).map(Timestamp)
}

fn printed(message: &[u8], log: &mut BuildLog) {
    let (mut id, mut text) = (String::new(), String::new());
    for (number, field) in fields(message) {
        match (number, field) {
            (1, ProtobufField::Bytes(bytes)) => id = String::from_utf8_lossy(bytes).into_owned(),
            (4, ProtobufField::Bytes(bytes)) => text = without_digits(&String::from_utf8_lossy(bytes)),
            (_, _) => (),
        }
    }
    log.printed(&id, &text);
}

/// A value of a protobuf message.
#[derive(Debug, PartialEq, Eq)]
enum ProtobufField<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message; what cannot be read ends it.
fn fields(mut message: &[u8]) -> Vec<(u64, ProtobufField<'_>)> {
    let mut found = Vec::new();
    while let Some(key) = varint(&mut message) {
        let field = match key & 7 {
            0 => varint(&mut message).map(ProtobufField::Number),
            1 => piece(&mut message, 8).map(ProtobufField::Bytes),
            2 => varint(&mut message).and_then(|length| piece(&mut message, length)).map(ProtobufField::Bytes),
            5 => piece(&mut message, 4).map(ProtobufField::Bytes),
            _ => None,
        };
        let Some(field) = field else { break };
        found.push((key >> 3, field));
    }
    found
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn piece<'a>(message: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok().filter(|length| *length <= message.len())?;
    let (piece, rest) = message.split_at(length);
    *message = rest;
    Some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protobuf_message_is_walked_and_a_broken_one_ends() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1a, 0x7f];
        assert_eq!(fields(&message), [(1, ProtobufField::Number(150)), (2, ProtobufField::Bytes(b"hi"))]);
        assert_eq!(fields(&[0xff; 12]), []);
        assert_eq!(fields(&[]), []);
    }

    #[test]
    fn a_step_has_its_times() {
        // A step `s` called `n`, from 1.5 s to 3 s after the epoch.
        let step = [0x0a, 1, b's', 0x1a, 1, b'n', 0x2a, 8, 8, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 1, 0x32, 2, 8, 3];
        let message = [&[0x0a, u8::try_from(step.len()).unwrap()][..], &step].concat();
        let mut log = BuildLog::default();
        read(&message, &mut log);
        let step = &log.steps[0];
        assert_eq!((step.name.as_str(), step.began, step.ended), ("n", Some(Timestamp(1_500)), Some(Timestamp(3_000))));
    }
}
