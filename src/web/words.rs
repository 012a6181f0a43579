//! The texts of pages, in English and French. Both have the same keys; sentences of the engine are English in both.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// French.
    Fr,
}

type MessageBundle = FluentBundle<FluentResource>;

impl Language {
    /// The HTML language code.
    pub const fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Fr => "fr",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Language::En => Language::Fr,
            Language::Fr => Language::En,
        }
    }

    /// The chosen language, else the browser's.
    pub fn choose(chosen: Option<&str>, accepted: Option<&str>) -> Self {
        match chosen {
            Some("fr") => return Language::Fr,
            Some("en") => return Language::En,
            Some(_) | None => (),
        }
        // The first supported one: browsers send them in order.
        let tags = accepted.unwrap_or_default().split(',').map(|part| part.trim().to_lowercase());
        let ours = tags.into_iter().find_map(|tag| match tag.get(..2) {
            Some("fr") => Some(Language::Fr),
            Some("en") => Some(Language::En),
            Some(_) | None => None,
        });
        ours.unwrap_or(Language::En)
    }

    fn text(self) -> &'static str {
        match self {
            Language::En => include_str!("words/en.ftl"),
            Language::Fr => include_str!("words/fr.ftl"),
        }
    }

    fn bundle(self) -> &'static MessageBundle {
        static EN: OnceLock<MessageBundle> = OnceLock::new();
        static FR: OnceLock<MessageBundle> = OnceLock::new();
        let cell = match self {
            Language::En => &EN,
            Language::Fr => &FR,
        };
        cell.get_or_init(|| {
            let language: LanguageIdentifier = self.code().parse().unwrap_or_default();
            let mut bundle = FluentBundle::new_concurrent(vec![language]);
            // Isolation marks are for texts of mixed directions.
            bundle.set_use_isolating(false);
            let words = FluentResource::try_new(self.text().to_owned()).unwrap_or_else(|(words, _)| words);
            // The test finds a key that stands twice.
            let _ = bundle.add_resource(words);
            bundle
        })
    }
}

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
        let key = format!("kind-{}", label.replace(' ', "-"));
        if self.0.bundle().has_message(&key) { self.get(&key) } else { label.to_owned() }
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = self.0.bundle();
        let pattern = bundle.get_message(key).and_then(|message| message.value());
        let mut errors = Vec::new();
        // A missing key is shown as itself, and found by the tests.
        pattern.map_or_else(|| key.to_owned(), |pattern| bundle.format_pattern(pattern, args, &mut errors).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Each key with its arguments.
    fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut key = String::new();
        for line in language.text().lines() {
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
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web");
        let code = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let code = code.filter(|path| path.extension().is_some_and(|end| end == "rs") && !path.ends_with("words.rs"));
        // The table of verbs names the words of its buttons.
        let verbs = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/commands/verbs.rs");
        let code = code.chain([verbs.into()]).map(|path| std::fs::read_to_string(path).unwrap());
        let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/templates")).unwrap();
        let pages = pages.filter_map(|page| std::fs::read_to_string(page.unwrap().path()).ok());
        let all: String = code.chain(pages).collect();
        // The keys of states are composed.
        let is_used = |key: &&String| {
            all.contains(&format!("\"{key}\""))
                || ["sync-", "health-", "kind-"].iter().any(|begin| key.starts_with(begin))
        };
        let keys = keys(Language::En);
        let unused: Vec<&String> = keys.keys().filter(|key| !is_used(key)).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }

    #[test]
    fn numbers_follow_each_languages_rule() {
        let say = |language, n: usize| Words(language).count("overview-counts", &n);
        assert_eq!([0, 1, 2].map(|n| say(Language::En, n)), ["0 services", "1 service", "2 services"]);
        assert_eq!([0, 1, 2].map(|n| say(Language::Fr, n)), ["0 service", "1 service", "2 services"]);
        assert_eq!(Words(Language::Fr).count("svc-drift", &1), "Dérive\u{a0}: 1 champ");
    }

    #[test]
    fn every_sort_of_thing_has_its_word() {
        for kind in amarre_core::model::Kind::ALL {
            let label = kind.label();
            assert_eq!(Words(Language::En).kind(&label), label);
            assert!(Language::Fr.bundle().has_message(&format!("kind-{}", kind.word())), "{label}");
        }
        assert_eq!(Words(Language::Fr).kind("proxy host"), "hôte proxy");
        assert_eq!(Words(Language::Fr).kind("something new"), "something new");
    }

    #[test]
    fn a_choice_counts_more_than_the_browser() {
        assert_eq!(Language::choose(None, Some("de-DE, fr-CA;q=0.9, en;q=0.8")), Language::Fr);
        assert_eq!(Language::choose(Some("en"), Some("fr")), Language::En);
        assert_eq!(Language::choose(Some("tlh"), None), Language::En);
    }
}
