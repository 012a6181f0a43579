//! Everything that is said, in English and French: the texts of pages by keys (`en.ftl`, `fr.ftl`), and sentences with
//! arguments by their English templates (`fr.txt`). Which language it is, is decided here for pages and terminal.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use amarre_core::model::{Arg, Kind, Language, Text, Timestamp};

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::tz::TimeZone;
use unic_langid::LanguageIdentifier;

/// What is read once for all.
struct Catalogue {
    bundle: MessageBundle,
    /// English templates, each with the key of its French pattern.
    templates: BTreeMap<&'static str, String>,
    /// Of a column of kinds.
    kind_width: OnceLock<usize>,
}

type MessageBundle = FluentBundle<FluentResource>;

/// The chosen language, else the first that a browser names and Amarre speaks, else English.
pub fn choose(chosen: Option<&str>, accepted: Option<&str>) -> Language {
    let tags = accepted.unwrap_or_default().split(',').map(str::trim);
    chosen.into_iter().chain(tags).find_map(Language::parse).unwrap_or_default()
}

/// As gettext chooses: the list in `LANGUAGE`, unless the locale is `C`, else the locale.
pub fn of_locale(language: Option<&str>, locale: Option<&str>) -> Language {
    let locale = locale.unwrap_or("C");
    if matches!(locale.split('.').next(), Some("C" | "POSIX")) {
        return Language::En;
    }
    let tags = language.unwrap_or_default().split(':').chain([locale]);
    tags.into_iter().find_map(Language::parse).unwrap_or_default()
}

const FRENCH: &str = include_str!("words/fr.txt");

/// Each English template of `fr.txt` with its French pattern, which may have several lines.
fn french() -> impl Iterator<Item = (&'static str, &'static str)> {
    let blocks = FRENCH.split("\n\n").map(|block| block.trim_start_matches('\n'));
    blocks.filter(|block| !block.starts_with('#')).filter_map(|block| block.split_once('\n'))
}

/// French has a space before its double punctuation and within its quotes, at which no line breaks.
fn with_spaces_kept(text: &str) -> String {
    let marks = [(" :", "\u{a0}:"), (" ;", "\u{a0};"), (" ?", "\u{a0}?"), (" !", "\u{a0}!"), (" %", "\u{a0}%")];
    let quotes = [("« ", "«\u{a0}"), (" »", "\u{a0}»")];
    let all = marks.into_iter().chain(quotes);
    all.fold(text.to_owned(), |text, (plain, kept)| text.replace(plain, kept))
}

fn catalogue(language: Language) -> &'static Catalogue {
    static EN: OnceLock<Catalogue> = OnceLock::new();
    static FR: OnceLock<Catalogue> = OnceLock::new();
    let (cell, pages) = match language {
        Language::En => (&EN, include_str!("words/en.ftl")),
        Language::Fr => (&FR, include_str!("words/fr.ftl")),
    };
    cell.get_or_init(|| {
        let sentences = french().enumerate().filter(|_| language == Language::Fr);
        let mut templates = BTreeMap::new();
        let mut text = pages.to_owned();
        for (at, (template, pattern)) in sentences {
            let key = format!("sentence-{at}");
            text.push_str(&format!("\n{key} =\n    {}\n", pattern.trim_end().replace('\n', "\n    ")));
            templates.insert(template, key);
        }
        if language == Language::Fr {
            text = with_spaces_kept(&text);
        }
        let id: LanguageIdentifier = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Isolation marks are for texts of mixed directions.
        bundle.set_use_isolating(false);
        let words = FluentResource::try_new(text).unwrap_or_else(|(words, _)| words);
        // The test finds a key that stands twice.
        let _ = bundle.add_resource(words);
        Catalogue { bundle, templates, kind_width: OnceLock::new() }
    })
}

/// A sentence in a language; in English where that has no pattern for it. Instants are in local time.
pub fn say(text: &Text, language: Language) -> String {
    say_at(text, language, "")
}

/// A time zone by its name; an empty one is this machine's.
pub fn zone(name: &str) -> TimeZone {
    let named = (!name.is_empty()).then(|| TimeZone::get(name).ok()).flatten();
    named.unwrap_or_else(TimeZone::system)
}

/// An instant in a time zone; an empty one is this machine's.
pub fn local(at: Timestamp, zone: &str) -> jiff::Zoned {
    in_zone(at, self::zone(zone))
}

fn in_zone(at: Timestamp, zone: TimeZone) -> jiff::Zoned {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone)
}

fn say_at(text: &Text, language: Language, zone: &str) -> String {
    let english = || text.fill(&|arg| say_arg(arg, language, zone));
    let catalogue = catalogue(language);
    let Some(key) = catalogue.templates.get(text.template()) else { return english() };
    let args: FluentArgs<'_> = text.args().map(|(name, arg)| (name, value(arg, language, zone))).collect();
    Words(language).formatted(key, Some(&args)).unwrap_or_else(english)
}

fn value(arg: &Arg, language: Language, zone: &str) -> FluentValue<'static> {
    if let Arg::Count(n) = arg { FluentValue::from(*n) } else { FluentValue::from(say_arg(arg, language, zone)) }
}

fn say_arg(arg: &Arg, language: Language, zone: &str) -> String {
    match arg {
        Arg::Text(text) => say_at(text, language, zone),
        Arg::List(items) => items.iter().map(|item| say_arg(item, language, zone)).collect::<Vec<_>>().join(", "),
        Arg::Kind(kind) => Words(language).kind(&kind.label()),
        Arg::Money(_) if language == Language::Fr => arg.to_string().replace('.', ","),
        Arg::Span(span) if language == Language::Fr => span.to_string().replace('d', "j"),
        Arg::Day(at) if language == Language::Fr => {
            let at = in_zone(*at, TimeZone::UTC);
            format!("{} {}", at.day(), month(at.month()))
        }
        Arg::Clock(at) => local(*at, zone).strftime("%H:%M:%S").to_string(),
        Arg::Date(at) => {
            let at = local(*at, zone);
            let month = match language {
                Language::En => at.strftime("%b").to_string(),
                Language::Fr => month(at.month()).to_owned(),
            };
            format!("{} {month} {}", at.strftime("%d"), at.strftime("%H:%M:%S"))
        }
        Arg::Name(_) | Arg::Foreign(_) | Arg::Count(_) | Arg::Money(_) | Arg::Span(_) => arg.to_string(),
        Arg::Day(_) | Arg::Code(_) => arg.to_string(),
    }
}

/// A month, from 1, as a French date has it in short.
pub fn month(number: i8) -> &'static str {
    MONTHS[usize::from(number.clamp(1, 12).unsigned_abs()) - 1]
}

const MONTHS: [&str; 12] =
    ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."];

/// The least width of a column of kinds, without the two spaces behind it.
const KIND_LETTERS: usize = 12;

/// The words of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words(pub Language);

impl Words {
    /// The text of a key.
    pub fn get(self, key: &str) -> String {
        self.format(key, None)
    }

    /// The text with a number in it, `$n`.
    pub fn count(self, key: &str, n: &usize) -> String {
        let mut args = FluentArgs::new();
        args.set("n", FluentValue::from(*n));
        self.format(key, Some(&args))
    }

    /// The text with one argument.
    pub fn with(self, key: &str, name: &str, value: &str) -> String {
        self.with_all(key, &[(name, value)])
    }

    /// The text with arguments.
    pub fn with_all(self, key: &str, values: &[(&str, &str)]) -> String {
        let args: FluentArgs<'_> = values.iter().copied().collect();
        self.format(key, Some(&args))
    }

    /// The label of a kind: `proxy host`. A kind without a translation keeps the label of the command line.
    pub fn kind(self, label: &str) -> String {
        self.known_text(&format!("kind-{}", label.replace(' ', "-"))).unwrap_or_else(|| label.to_owned())
    }

    /// The width of a column of kinds: its longest word, and two spaces.
    pub fn kind_width(self) -> usize {
        let longest = || Kind::ALL.into_iter().map(|kind| self.kind(&kind.label()).chars().count()).max();
        let width = || longest().unwrap_or_default().max(KIND_LETTERS) + 2;
        *catalogue(self.0).kind_width.get_or_init(width)
    }

    /// Whether a service is as wanted: `Synced`.
    pub fn sync(self, word: &str) -> String {
        self.get(&format!("sync-{word}"))
    }

    /// Whether a service works: `Healthy`.
    pub fn health(self, word: &str) -> String {
        self.get(&format!("health-{word}"))
    }

    /// The word of an event: `created`.
    pub fn event(self, kind: &str) -> String {
        self.known_text(&format!("event-{}", kind.replace(' ', "-"))).unwrap_or_else(|| kind.to_owned())
    }

    /// What happened to a thing: `created proxy host git.example.org`.
    pub fn event_of(self, event: &str, kind: &str, name: &str) -> String {
        let (event, kind) = (self.event(event), self.kind(kind));
        self.with_all("event-line", &[("event", &event), ("kind", &kind), ("name", name)])
    }

    /// The word of a role: `operator`.
    pub fn role(self, word: &str) -> String {
        self.known_text(&format!("role-{word}")).unwrap_or_else(|| word.to_owned())
    }

    /// What was done, by its word in the audit log: `create the first account` for `create_account`.
    pub fn action(self, word: &str) -> String {
        let known = |word: &str| self.known_text(&format!("audit-{word}")).unwrap_or_else(|| word.replace('_', " "));
        let of_dry_run = word.strip_prefix("check_").filter(|_| self.known_text(&format!("audit-{word}")).is_none());
        of_dry_run.map_or_else(|| known(word), |of| self.with("audit-dry-run", "what", &known(of)))
    }

    fn known_text(self, key: &str) -> Option<String> {
        catalogue(self.0).bundle.has_message(key).then(|| self.get(key))
    }

    /// `what: said`, with the space that the language has before its colon.
    pub fn pair(self, what: &str, said: &str) -> String {
        self.with_all("pair", &[("what", what), ("said", said)])
    }

    pub fn say(self, text: &Text) -> String {
        say(text, self.0)
    }

    /// A sentence with its instants in a time zone; an empty one is this machine's.
    pub fn say_in(self, text: &Text, zone: &str) -> String {
        say_at(text, self.0, zone)
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        // A missing key is shown as itself, and found by the tests.
        self.formatted(key, args).unwrap_or_else(|| key.to_owned())
    }

    fn formatted(self, key: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let bundle = &catalogue(self.0).bundle;
        let pattern = bundle.get_message(key).and_then(|message| message.value())?;
        let mut errors = Vec::new();
        Some(bundle.format_pattern(pattern, args, &mut errors).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use amarre_core::model::Millis;
    use amarre_core::text;

    use super::*;

    /// Each key with its arguments.
    fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut key = String::new();
        let text = match language {
            Language::En => include_str!("words/en.ftl"),
            Language::Fr => include_str!("words/fr.ftl"),
        };
        for line in text.lines() {
            if let Some((name, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '}'])) {
                key = name.to_owned();
                assert!(keys.insert(key.clone(), BTreeSet::new()).is_none(), "{key} stands twice");
            }
            let names = line.split("{ $").skip(1).filter_map(|rest| rest.split([' ', '}']).next());
            keys.entry(key.clone()).or_default().extend(names.map(str::to_owned));
        }
        keys
    }

    #[test]
    fn both_languages_have_the_same_keys_which_take_the_same() {
        let (en, fr) = (keys(Language::En), keys(Language::Fr));
        assert_eq!(en.keys().collect::<Vec<_>>(), fr.keys().collect::<Vec<_>>());
        for (key, names) in &en {
            assert_eq!(names, &fr[key], "{key}");
            for language in [Language::En, Language::Fr] {
                assert_ne!(Words(language).count(key, &2), *key, "{key} says nothing");
            }
        }
    }

    #[test]
    fn every_key_is_used() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../http/src/web");
        let below = concat!(env!("CARGO_MANIFEST_DIR"), "/../http/src/web/service");
        let files = [folder, below].into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let code = files.map(|file| file.unwrap().path());
        let code = code.filter(|path| path.extension().is_some_and(|end| end == "rs"));
        // The table of verbs names the words of its buttons.
        let verbs = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/src/engine/commands/verbs.rs");
        let code = code.chain([verbs.into()]).map(|path| std::fs::read_to_string(path).unwrap());
        let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../http/src/web/templates")).unwrap();
        let pages = pages.filter_map(|page| std::fs::read_to_string(page.unwrap().path()).ok());
        let all: String = code.chain(pages).collect();
        // The keys of states are composed.
        let is_used = |key: &&String| {
            all.contains(&format!("\"{key}\""))
                || [
                    "sync-",
                    "health-",
                    "kind-",
                    "event-",
                    "deployed-",
                    "found-",
                    "kinds-",
                    "beside-",
                    "demo-done-",
                    "act-instance-",
                    "reason-",
                    "role-",
                    "audit-",
                    "result-",
                    "step-",
                ]
                .iter()
                .any(|begin| key.starts_with(begin))
        };
        let keys = keys(Language::En);
        let unused: Vec<&String> = keys.keys().filter(|key| !is_used(key)).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }

    #[test]
    fn numbers_follow_each_languages_rule() {
        let say = |language, n: usize| Words(language).count("ring-days", &n);
        assert_eq!(
            [0, 1, 2].map(|n| say(Language::En, n)),
            ["certificate: 0 days left", "certificate: 1 day left", "certificate: 2 days left"]
        );
        assert_eq!(
            [0, 1, 2].map(|n| say(Language::Fr, n)),
            [
                "certificat\u{a0}: 0 jour restant",
                "certificat\u{a0}: 1 jour restant",
                "certificat\u{a0}: 2 jours restants"
            ]
        );
        assert_eq!(Words(Language::Fr).count("svc-drift", &1), "Dérive\u{a0}: 1 champ");
    }

    #[test]
    fn no_line_of_french_breaks_before_its_marks() {
        assert_eq!(with_spaces_kept("« a » : b ; 5 %"), "«\u{a0}a\u{a0}»\u{a0}: b\u{a0}; 5\u{a0}%");
        assert_eq!(Words(Language::Fr).pair("créé", "web"), "créé\u{a0}: web");
        assert_eq!(Words(Language::En).pair("created", "web"), "created: web");
    }

    #[test]
    fn every_sort_of_thing_has_its_word() {
        for kind in Kind::ALL {
            let label = kind.label();
            assert_eq!(Words(Language::En).kind(&label), label);
            assert!(catalogue(Language::Fr).bundle.has_message(&format!("kind-{}", kind.word())), "{label}");
        }
        assert_eq!(Words(Language::Fr).kind("proxy host"), "hôte proxy");
        assert_eq!(Words(Language::Fr).kind("something new"), "something new");
    }

    #[test]
    fn roles_and_actions_are_words_and_no_identifiers() {
        let (en, fr) = (Words(Language::En), Words(Language::Fr));
        assert_eq!((en.role("operator"), fr.role("operator")), ("operator".into(), "opérateur".into()));
        assert_eq!(en.action("create_account"), "create the first account");
        assert_eq!(fr.action("check_suspend"), "à blanc\u{a0}: suspension");
        assert_eq!(en.action("check_manifest"), "check a manifest");
        assert_eq!(fr.action("of_next_year"), "of next year");
    }

    #[test]
    fn a_choice_counts_more_than_the_browser() {
        assert_eq!(choose(None, Some("de-DE, fr-CA;q=0.9, en;q=0.8")), Language::Fr);
        assert_eq!(choose(Some("en"), Some("fr")), Language::En);
        assert_eq!(choose(Some("tlh"), None), Language::En);
    }

    #[test]
    fn a_locale_chooses_as_gettext_does() {
        for (list, locale, language) in [
            (None, Some("fr_FR.UTF-8"), Language::Fr),
            (Some("de:fr:en"), Some("de_DE.UTF-8"), Language::Fr),
            (Some("fr"), Some("C.UTF-8"), Language::En),
            (Some("fr"), None, Language::En),
            (None, Some("tlh"), Language::En),
        ] {
            assert_eq!(of_locale(list, locale), language, "{list:?} {locale:?}");
        }
    }

    /// The templates in the calls of `text!` of all sources.
    fn used() -> BTreeSet<String> {
        fn read(folder: &Path, found: &mut BTreeSet<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    read(&path, found);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                    calls(&code.collect::<Vec<_>>().join("\n"), found);
                }
            }
        }
        fn calls(code: &str, found: &mut BTreeSet<String>) {
            // In parts, so that this line is no call itself.
            for call in code.split(concat!("text", "!(")).skip(1) {
                let Some((number, rest)) = call.split_once('"') else { continue };
                let has_two = number.trim_end().ends_with(';');
                if !number.trim().is_empty() && !has_two {
                    continue;
                }
                let literals = rest.split('"').step_by(2).take(if has_two { 2 } else { 1 });
                found.extend(literals.map(str::to_owned));
            }
        }
        let mut found = BTreeSet::new();
        for folder in ["core/src", "crates", "src"] {
            read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder), &mut found);
        }
        found
    }

    fn names(text: &str, begin: &str) -> BTreeSet<String> {
        let rests = text.split(begin).skip(1);
        rests.filter_map(|rest| rest.split([' ', '}']).next()).map(str::to_owned).collect()
    }

    #[test]
    fn every_sentence_has_its_french_pattern_and_every_pattern_its_sentence() {
        let entries = french().count();
        let french: BTreeMap<&str, &str> = french().collect();
        assert_eq!(french.len(), entries, "a sentence stands twice");
        let known: BTreeSet<String> = french.keys().map(|&template| template.to_owned()).collect();
        let used = used();
        assert!(used.len() > 50, "{used:?}");
        let missing: Vec<&String> = used.difference(&known).collect();
        let unused: Vec<&String> = known.difference(&used).collect();
        assert!(missing.is_empty() && unused.is_empty(), "no French: {missing:#?}\nnothing says: {unused:#?}");
        let Catalogue { bundle, templates, .. } = catalogue(Language::Fr);
        for (template, pattern) in &french {
            assert_eq!(names(template, "{"), names(pattern, "{ $"), "{template}");
            let message = bundle.get_message(&templates[template]).and_then(|message| message.value());
            let message = message.unwrap_or_else(|| panic!("Fluent does not read: {pattern}"));
            let args: FluentArgs<'_> =
                names(template, "{").into_iter().map(|name| (name, FluentValue::from(2))).collect();
            let mut errors = Vec::new();
            bundle.format_pattern(message, Some(&args), &mut errors);
            assert!(errors.is_empty(), "{template}: {errors:?}");
        }
    }

    #[test]
    fn a_sentence_is_said_in_both_languages() {
        let thing = text!("{kind} {name}", kind = Kind::ProxyHost, name = "git.example.org");
        let inner = text!("{thing} was stopped outside Amarre", thing);
        let text = text!("{what}, for {span}", what = inner, span = Millis::minutes(60 * 24 * 3));
        assert_eq!(text.to_string(), "proxy host git.example.org was stopped outside Amarre, for 3 d");
        assert_eq!(say(&text, Language::En), text.to_string());
        assert_eq!(say(&text, Language::Fr), "hôte proxy git.example.org\u{a0}: arrêt hors d’Amarre, depuis 3 j");
        let at = text!("{at}", at = Arg::Clock(Timestamp(0)));
        assert_eq!(Words(Language::En).say_in(&at, "Europe/Paris"), "01:00:00");
        assert_eq!(
            Words(Language::Fr)
                .say_in(&text!("{what}, since {since}", what = "on", since = Arg::Date(Timestamp(0))), "Asia/Tokyo"),
            "on, depuis 01 janv. 09:00:00"
        );
        let stored: Text = serde_json::from_str(&serde_json::to_string(&text).unwrap()).unwrap();
        assert_eq!(say(&stored, Language::Fr), say(&text, Language::Fr), "as it was stored");
        let foreign = Text::foreign("{thing}: Permission denied");
        assert_eq!(say(&foreign, Language::Fr), "{thing}: Permission denied");
        let drift = |n: usize| text!("drift: {first} and {n} more, being put back", first = "image", n);
        assert_eq!(say(&drift(1), Language::Fr), "dérive\u{a0}: image et 1 autre, en cours de restauration");
        assert_eq!(say(&drift(2), Language::Fr), "dérive\u{a0}: image et 2 autres, en cours de restauration");
    }
}
