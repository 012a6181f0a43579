//! Manifests of well-known services, with parameters. Pure: text in, text out.
//!
//! A template is a YAML file: `title`, `about`, `parameters`, `secrets` to be generated, `notes` for its user, these texts in
//! other languages (`translations`), and the `manifest` with `{{parameter}}` in it. Every template has `{{name}}`, `{{address}}`, `{{tls}}` and `{{scheme}}`. A
//! value is inserted as it is, so each parameter states its form ([`Is`]): no value can become another key.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The templates of the program: name and text.
const OWN: [(&str, &str); 11] = [
    ("app", include_str!("app.yaml")),
    ("gitea", include_str!("gitea.yaml")),
    ("grafana", include_str!("grafana.yaml")),
    ("immich", include_str!("immich.yaml")),
    ("jellyfin", include_str!("jellyfin.yaml")),
    ("nextcloud", include_str!("nextcloud.yaml")),
    ("paperless-ngx", include_str!("paperless-ngx.yaml")),
    ("uptime-kuma", include_str!("uptime-kuma.yaml")),
    ("vaultwarden", include_str!("vaultwarden.yaml")),
    ("whoami", include_str!("whoami.yaml")),
    ("wordpress", include_str!("wordpress.yaml")),
];

/// The longest value.
const VALUE_CHARS_MAX: usize = 200;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Is {
    /// A DNS label: `gitea`.
    Label,
    /// Letters, digits and `.`, `_`, `+`, `-`: `v2.0.1`.
    Word,
    /// An image with its tag or digest.
    Image,
    /// A name below the domain, or a full one; `@` is the domain itself.
    Domain,
    /// A volume's name or a path: `media`, `/srv/media`.
    Place,
    /// `letsencrypt`, `none`, or the name of a certificate in NPM.
    Tls,
    /// A git repository: `https://github.com/acme/shop`, `git@github.com:acme/shop`.
    Repository,
    /// A branch or a tag.
    Ref,
}

impl Is {
    fn accepts(self, value: &str) -> bool {
        let all = |signs: &str| value.chars().all(|sign| sign.is_ascii_alphanumeric() || signs.contains(sign));
        let begins = value.starts_with(|sign: char| sign.is_ascii_alphanumeric());
        value.chars().count() <= VALUE_CHARS_MAX
            && match self {
                Is::Label => {
                    let is_low = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
                    begins && value.len() <= 63 && !value.ends_with('-') && value.chars().all(is_low)
                }
                Is::Word => begins && all("._+-"),
                Is::Image => begins && all("._/:@-"),
                Is::Domain => value == "@" || begins && all(".-") && !value.ends_with('-'),
                Is::Place => (begins || value.starts_with('/')) && all("._/-") && !value.contains(".."),
                Is::Tls => begins && all("._-"),
                Is::Repository => begins && value.contains(['/', ':']) && all("._~:/@+-") && !value.ends_with(':'),
                Is::Ref => begins && all("._/+-") && !value.contains(".."),
            }
    }

    /// The form in words.
    const fn description(self) -> &'static str {
        match self {
            Is::Label => "small letters, digits and -",
            Is::Word => "letters, digits, . _ + -",
            Is::Image => "an image with its tag",
            Is::Domain => "a name below the domain, or a whole one",
            Is::Place => "a volume's name or a path",
            Is::Tls => "letsencrypt, none or the name of a certificate",
            Is::Repository => "the address of a git repository",
            Is::Ref => "a branch or a tag",
        }
    }
}

/// The available templates, and the place of their secrets.
pub trait TemplateStore: Send + Sync {
    /// All of them, by name.
    ///
    /// # Errors
    /// One of the operator's own templates cannot be read.
    fn templates(&self) -> Result<BTreeMap<String, Template>, String>;

    /// Creates a secret unless it is set.
    ///
    /// # Errors
    /// It cannot be written.
    fn make_secret(&self, name: &str) -> Result<(), String>;
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub about: String,
    /// Its default; empty: it has to be said.
    #[serde(default)]
    pub default: String,
    pub is: Is,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The title: `Gitea`.
    pub title: String,
    pub about: String,
    /// The parameters beside the name, the address and TLS.
    pub parameters: BTreeMap<String, Parameter>,
    /// Secrets that are generated, below the service's name.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Notes for the user; with the same `{{parameter}}`.
    pub notes: String,
    /// The same texts in other languages, by code: `fr`.
    #[serde(default)]
    translations: BTreeMap<String, TemplateWords>,
    manifest: String,
}

/// The texts of a template in another language; what is not here stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TemplateWords {
    title: Option<String>,
    about: Option<String>,
    /// Descriptions by parameter.
    parameters: BTreeMap<String, String>,
    notes: Option<String>,
}

/// A rendered template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub manifest: String,
    /// Names of secrets that it needs: `git/db`.
    pub secrets: Vec<String>,
    pub notes: String,
}

/// Why there is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TemplateError {
    pub why: String,
    /// The wrong parameter, if it is one.
    pub parameter: Option<String>,
}

impl TemplateError {
    fn new(why: String) -> Self {
        Self { why, parameter: None }
    }
}

/// The templates of the program, by name.
///
/// # Errors
/// One of them cannot be read; a test excludes that.
pub fn built_in() -> Result<BTreeMap<String, Template>, TemplateError> {
    OWN.iter().map(|(name, text)| Ok(((*name).to_owned(), Template::read(name, text)?))).collect()
}

impl Template {
    /// Parses a template's file.
    ///
    /// # Errors
    /// It is not a template, or uses an undeclared parameter.
    pub fn read(name: &str, text: &str) -> Result<Self, TemplateError> {
        let wrong = |why: String| TemplateError::new(format!("template {name}: {why}"));
        let template: Self = serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for (key, parameter) in &template.parameters {
            if BUILT_IN.contains(&key.as_str()) {
                return Err(wrong(format!("`{key}` is there already, in every template")));
            }
            if !parameter.default.is_empty() && !parameter.is.accepts(&parameter.default) {
                return Err(wrong(format!("`{key}` is not what it may be by default: {}", parameter.is.description())));
            }
        }
        let known = template.parameters.keys().map(String::as_str).chain(BUILT_IN).collect::<Vec<_>>();
        let said = template.translations.values();
        let named = said.clone().flat_map(|words| words.parameters.keys().map(String::as_str));
        let notes = said.filter_map(|words| words.notes.as_deref()).flat_map(used);
        for used in used(&template.manifest).chain(used(&template.notes)).chain(notes).chain(named) {
            if !known.contains(&used) {
                return Err(wrong(format!("there is no parameter `{used}`")));
            }
        }
        match template.secrets.iter().find(|secret| !Is::Label.accepts(secret)) {
            Some(secret) => Err(wrong(format!("`{secret}` is no name of a secret"))),
            None => Ok(template),
        }
    }

    /// With its texts in a language, as far as it has them.
    #[must_use]
    pub fn translated(mut self, language: &str) -> Self {
        let Some(words) = self.translations.remove(language) else { return self };
        let TemplateWords { title, about, parameters, notes } = words;
        for (key, about) in parameters {
            self.parameters.entry(key).and_modify(|known| known.about = about);
        }
        Self {
            title: title.unwrap_or(self.title),
            about: about.unwrap_or(self.about),
            notes: notes.unwrap_or(self.notes),
            ..self
        }
    }

    /// The first parameter on a line of the manifest, counted from 1. No value has several lines.
    pub fn parameter_at(&self, line: usize) -> Option<&str> {
        used(self.manifest.lines().nth(line.checked_sub(1)?)?).next()
    }

    /// The manifest of a service.
    ///
    /// # Errors
    /// A value does not have its parameter's form, or its parameter does not exist.
    pub fn render(&self, name: &str, set: &BTreeMap<String, String>) -> Result<Rendered, TemplateError> {
        let given = |key: &str| set.get(key).cloned();
        let mut values: BTreeMap<&str, String> = BTreeMap::new();
        let built_in = [("name", Is::Label, name.to_owned()), ("address", Is::Domain, name.to_owned())];
        let built_in = built_in.into_iter().chain([("tls", Is::Tls, "letsencrypt".to_owned())]);
        let own = self.parameters.iter().map(|(key, known)| (key.as_str(), known.is, known.default.clone()));
        for (key, is, default) in built_in.chain(own) {
            let value = if key == "name" { default } else { given(key).unwrap_or(default) };
            if value.is_empty() {
                let why = format!("`{key}` has to be said: {}", is.description());
                return Err(TemplateError { why, parameter: Some(key.to_owned()) });
            }
            if !is.accepts(&value) {
                let why = format!("`{key}` cannot be `{value}`: {}", is.description());
                return Err(TemplateError { why, parameter: Some(key.to_owned()) });
            }
            values.insert(key, value);
        }
        if let Some(unknown) = set.keys().find(|key| *key == "name" || !values.contains_key(key.as_str())) {
            let known: Vec<&str> = values.keys().copied().filter(|key| *key != "name").collect();
            return Err(TemplateError::new(format!(
                "there is no parameter `{unknown}`; there are {}",
                known.join(", ")
            )));
        }
        let scheme = if values.get("tls").is_some_and(|tls| tls == "none") { "http" } else { "https" };
        values.insert("scheme", scheme.to_owned());
        let fill = |text: &str| {
            values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
        };
        // If a parameter is a whole value, it is quoted so that YAML reads text.
        let whole = |text: &str| {
            values.iter().fold(text.to_owned(), |text, (key, value)| {
                text.replace(&format!(": {{{{{key}}}}}\n"), &format!(": {}\n", scalar(value)))
            })
        };
        Ok(Rendered {
            manifest: fill(&whole(&self.manifest)),
            secrets: self.secrets.iter().map(|secret| format!("{name}/{secret}")).collect(),
            notes: fill(&self.notes),
        })
    }
}

/// A text as YAML: plain where it can only be read as text.
pub fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    let is_safe = begins && text.chars().all(is_plain) && !text.ends_with(':') && !is_word;
    if is_safe { text.to_owned() } else { quoted(text) }
}

/// JSON's strings are YAML's.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const BUILT_IN: [&str; 4] = ["name", "address", "tls", "scheme"];

/// The names between `{{` and `}}`.
fn used(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_given_values_are_filled_in() {
        let gitea = &built_in().unwrap()["gitea"];
        let rendered = gitea.render("git", &set(&[("address", "code"), ("tls", "none")])).unwrap();
        assert!(rendered.manifest.contains("domain: code\n") && rendered.manifest.contains("http://${domain}/"));
        assert!(
            rendered.manifest.contains("name: git\n") && !rendered.manifest.contains("{{"),
            "{}",
            rendered.manifest
        );
        for (name, key, value) in [
            ("git", "image", "gitea\nprivileged: true"),
            ("git", "image", "gitea:1 # x"),
            ("git", "address", "a: b"),
            ("git", "tls", "{letsencrypt: {}}"),
            ("git", "port", "3000"),
            ("git", "name", "other"),
            ("Git", "tls", "none"),
            ("git/../x", "tls", "none"),
        ] {
            assert!(gitea.render(name, &set(&[(key, value)])).is_err(), "{name}: {key}={value}");
        }
        let text =
            |pairs: &[(&str, &str)]| built_in().unwrap()["nextcloud"].render("2048", &set(pairs)).unwrap().manifest;
        let odd = text(&[("address", "@"), ("admin", "no")]);
        for line in ["name: \"2048\"\n", "domain: \"@\"\n", "NEXTCLOUD_ADMIN_USER: \"no\"\n", "{secret: 2048/db}"] {
            assert!(odd.contains(line), "{line} in\n{odd}");
        }
        let place = |value: &str| built_in().unwrap()["jellyfin"].render("tv", &set(&[("media", value)])).is_ok();
        assert!(place("/srv/media") && place("films") && !place("/srv/../etc") && !place("a\", \"/:/host"));
    }

    #[test]
    fn what_has_no_default_has_to_be_said() {
        let app = &built_in().unwrap()["app"];
        let unsaid = app.render("shop", &set(&[])).unwrap_err();
        assert_eq!((unsaid.parameter.as_deref(), unsaid.why.contains("has to be said")), (Some("repository"), true));
        let of = |url: &str, reference: &str| app.render("shop", &set(&[("repository", url), ("ref", reference)]));
        let text = of("git@git.example.org:acme/shop.git", "feature/basket").unwrap().manifest;
        assert!(text.contains("git:\n  url: git@git.example.org:acme/shop.git\n  ref: feature/basket\n"), "{text}");
        assert!(
            of("https://x/y # z", "main").is_err() && of("https://x/y", "a..b").is_err() && of("x", "main").is_err()
        );
    }

    #[test]
    fn every_template_is_said_in_french() {
        for (name, template) in built_in().unwrap() {
            let french = template.clone().translated("fr");
            assert_ne!((&french.about, &french.notes), (&template.about, &template.notes), "{name}");
            for (key, known) in &template.parameters {
                assert_ne!(french.parameters[key].about, known.about, "{name}: {key}");
            }
            let english = template.clone().translated("en");
            assert_eq!((english.about, french.manifest), (template.about, template.manifest), "{name}");
        }
        let notes = built_in().unwrap()["nextcloud"].clone().translated("fr").render("cloud", &set(&[])).unwrap().notes;
        assert!(notes.contains("secrets/services/cloud/admin"), "{notes}");
    }

    #[test]
    fn an_invalid_template_is_refused_where_it_is_read() {
        let text = OWN[1].1;
        for (from, to, why) in [
            ("title:", "titel:", "unknown field"),
            ("{{image}}", "{{imaeg}}", "no parameter `imaeg`"),
            ("is: image", "is: anything", "unknown variant"),
            ("      image: \"son image\"", "      imaeg: \"son image\"", "no parameter `imaeg`"),
            ("\"gitea/gitea:1.24.6\"", "\"a b\"", "by default"),
        ] {
            let error = Template::read("x", &text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(why) && error.starts_with("template x: "), "{error}");
        }
    }
}
