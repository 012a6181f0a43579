//! What builds of images did, for people and machines: steps with their times, and what they printed.

use super::exact_time;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::ProviderId;

use amarre_core::model::build_log::{BuildLog, LoggedStep, StepState};
use amarre_core::model::{Language, Millis, Service, Text, Timestamp};
use amarre_core::plan::render::{Sign, Style, Tone};
use amarre_core::text;

/// Lines of a step that is shown with its end.
pub const LINES_SHOWN: usize = 50;
/// What is shorter is told in tenths of a second.
const SHORT: Millis = Millis::seconds(10);
/// Digits of a digest that tell people one from another.
const DIGEST_CHARS_SHOWN: usize = 12;

/// A build, as it is found: it runs, or was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBuild {
    /// The service that it is for.
    pub service: String,
    pub image: String,
    /// The deployment that it belongs to.
    pub deployment: Option<u64>,
    pub began: Timestamp,
    /// When it ended; `None`: it runs.
    pub ended: Option<Timestamp>,
    pub log: BuildLog,
}

impl FoundBuild {
    /// Whether a step is shown with what it printed: one that runs, and one that failed.
    pub fn is_open(&self, step: &LoggedStep) -> bool {
        match step.state() {
            StepState::Failed => true,
            StepState::Running => self.ended.is_none(),
            StepState::Done | StepState::Cached => false,
        }
    }
}

/// The steps of a build with their times. What a step has printed is shown of the one that runs and of one that failed; `all`: of each.
pub fn text(build: &FoundBuild, now: Timestamp, style: Style, all: bool) -> String {
    let language = style.language;
    let took = (build.ended.unwrap_or(now) - build.began).in_words();
    let (image, at) = (&build.image, exact_time(build.began, language));
    let head = match build.ended {
        Some(_) => text!("build of {image}, {at}, took {took}", image, at, took),
        None => text!("build of {image}, {at}, runs for {took}", image, at, took),
    };
    let mut out = format!("{}\n", crate::words::say(&head, language));
    for step in &build.log.steps {
        if !step.name.is_empty() {
            out.push_str(&step_line(build, step, now, style));
        }
        let count = match (all || step.name.is_empty(), build.is_open(step)) {
            (true, _) => step.lines.len(),
            (false, true) => LINES_SHOWN,
            (false, false) => 0,
        };
        let (earlier, lines) = step.last(count);
        if earlier > 0 && count > 0 {
            out.push_str(&format!(
                "    {}\n",
                style.paint(Tone::Dim, &crate::words::say(&earlier_text(earlier), language))
            ));
        }
        lines.iter().for_each(|line| out.push_str(&format!("    {line}\n")));
    }
    if let Some(error) = &build.log.error {
        out.push_str(&format!("{} {error}\n", style.sign(Sign::Failed)));
    }
    out
}

fn step_line(build: &FoundBuild, step: &LoggedStep, now: Timestamp, style: Style) -> String {
    let language = style.language;
    let sign = match step.state() {
        StepState::Done | StepState::Cached => style.sign(Sign::Done),
        StepState::Failed => style.sign(Sign::Failed),
        StepState::Running => style.sign(Sign::Step),
    };
    let took = match step.state() {
        StepState::Cached => crate::words::say(&cached_text(), language),
        StepState::Running | StepState::Done | StepState::Failed => {
            let took = step.took(build.ended.unwrap_or(now));
            took.map(|took| took_text(took, language)).unwrap_or_default()
        }
    };
    format!("{sign} {}  {}\n", shown_name(step), style.paint(Tone::Dim, &took)).replace("  \n", "\n")
}

/// `0.7 s`, `22 s`, `1 min 12 s`: most steps are short.
pub fn took_text(took: Millis, language: Language) -> String {
    if took >= SHORT {
        return took.in_words();
    }
    let tenths = took.0.max(0) / 100;
    let point = match language {
        Language::En => '.',
        Language::Fr => ',',
    };
    format!("{}{point}{} s", tenths / 10, tenths % 10)
}

/// The name of a step, with the digests in it cut short.
pub fn shown_name(step: &LoggedStep) -> String {
    const MARK: &str = "@sha256:";
    let mut parts = step.name.split(MARK);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits <= DIGEST_CHARS_SHOWN {
            return format!("{shown}{MARK}{part}");
        }
        format!("{shown}{MARK}{}…{}", &part[..DIGEST_CHARS_SHOWN], &part[digits..])
    })
}

/// What a step makes was there.
pub fn cached_text() -> Text {
    text!("as before")
}

/// Lines that are not shown.
pub fn earlier_text(n: usize) -> Text {
    text!(n; "… 1 line before", "… {n} lines before")
}

/// An image that a service is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseRow {
    /// As Dockerfiles name it.
    pub image: String,
    /// The digest that every build has; `None`: it is not fixed, as of an image that came from no registry.
    pub digest: Option<String>,
    /// The digest that its registry has by now, where that is another one.
    pub newer: Option<String>,
    /// When its registry was asked last.
    pub asked: Option<Timestamp>,
    /// Why it did not say.
    pub error: Option<String>,
}

/// The images that a service is built from.
pub fn bases(pass: &PassView, service: &Service) -> Vec<BaseRow> {
    let fixed = pass.bases.fixed.get(&service.name);
    let mut rows: Vec<BaseRow> = Vec::new();
    for image in service.builds().flat_map(|build| &build.bases) {
        if rows.iter().any(|row| row.image == *image) {
            continue;
        }
        let key = used_bases(pass, service).find(|(_, used)| used == image);
        let answer = key.as_ref().and_then(|key| pass.bases.answers.get(key));
        let newer = key.as_ref().and_then(|(engine, image)| pass.bases.newer(engine, &service.name, image));
        rows.push(BaseRow {
            image: image.clone(),
            digest: fixed.and_then(|fixed| Some(fixed.get(image)?.digest.clone())),
            newer: newer.map(str::to_owned),
            asked: answer.map(|answer| answer.at),
            error: answer.and_then(|answer| answer.digest.clone().err()),
        });
    }
    rows
}

/// Services that are built from an image of which its registry has a newer one, with such images.
pub fn with_newer_bases(pass: &PassView) -> impl Iterator<Item = (&String, Vec<String>)> {
    let newer = |service: &Service| -> Vec<String> {
        bases(pass, service).into_iter().filter(|row| row.newer.is_some()).map(|row| row.image).collect()
    };
    let built = pass.services.iter().filter(|(_, service)| service.builds().next().is_some());
    built.map(move |(name, service)| (name, newer(service))).filter(|(_, newer)| !newer.is_empty())
}

/// That there is a newer one.
pub fn newer_text(images: &[String]) -> Text {
    text!("the registry has a newer {images}", images = images.join(", "))
}

/// `sha256:9fb65dc1a78f`, for people.
pub fn short(digest: &str) -> &str {
    let end = digest.find(':').map_or(0, |at| at + 1) + DIGEST_CHARS_SHOWN;
    digest.get(..end).unwrap_or(digest)
}

/// The images that a service is built from, a line each.
pub fn bases_text(rows: &[BaseRow], service: &str, language: Language) -> String {
    let row = |row: &BaseRow| {
        let digest = row.digest.as_deref().map(|digest| format!("  {}", short(digest))).unwrap_or_default();
        let news = match (&row.newer, &row.error) {
            (Some(newer), _) => {
                let digest = short(newer).to_owned();
                let newer =
                    text!("a newer one is there, {digest}: amarre app deploy {service} --pull", digest, service);
                format!("  {}", crate::words::say(&newer, language))
            }
            (None, Some(why)) => {
                let unknown =
                    text!("whether there is a newer one is not known: {why}", why = Text::foreign(why.clone()));
                format!("  {}", crate::words::say(&unknown, language))
            }
            (None, None) => String::new(),
        };
        format!("{}{digest}{news}\n", row.image)
    };
    rows.iter().map(|one| format!("base {}", row(one))).collect()
}

/// The images that a service is built from and whose digest is fixed, with the engine that builds it.
pub fn used_bases<'p>(pass: &'p PassView, service: &'p Service) -> impl Iterator<Item = (ProviderId, String)> {
    let site = pass.context.as_ref().map(|context| &context.site);
    let engine = site.and_then(|site| Some(site.hosts.get(&service.host)?.docker.clone()));
    let fixed = pass.bases.fixed.get(&service.name);
    let images = service.builds().flat_map(|build| &build.bases);
    let images = images.filter(move |image| fixed.is_some_and(|fixed| fixed.contains_key(*image)));
    images.filter_map(move |image| Some((engine.clone()?, image.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_shortly() {
        let name = |name: &str| shown_name(&LoggedStep { name: name.to_owned(), ..LoggedStep::default() });
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(name(&format!("[1/2] FROM a@sha256:{digest} AS b")), "[1/2] FROM a@sha256:0123456789ab… AS b");
        assert_eq!(name("RUN echo @sha256:é"), "RUN echo @sha256:é");
        let took = |millis: i64, language| took_text(Millis(millis), language);
        assert_eq!([took(720, Language::En), took(9_990, Language::Fr)], ["0.7 s", "9,9 s"]);
        assert_eq!(took(72_000, Language::En), "1 min 12 s");
    }
}
