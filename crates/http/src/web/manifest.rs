//! The shortest manifest for a form. Pure.

use super::FormFields;
use super::plain_secrets::{self, PlainSecret};
use crate::templates::{quoted, scalar};

/// The typed values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceForm {
    /// Image with its tag.
    pub image: String,
    /// A DNS label.
    pub name: String,
    /// The container's port; empty: no route.
    pub port: String,
    /// The name below the default domain, or a full one; empty: the service's name.
    pub address: String,
    /// Whether it has a certificate of Let's Encrypt.
    pub tls: bool,
    /// The access list; empty: everyone.
    pub access_list: String,
    /// `NAME=value`, one a line.
    pub environment: String,
    /// `name:/path`, one a line.
    pub volumes: String,
    /// Whether it gets the data of a deleted service of its name.
    pub reuse: bool,
    /// Whether values that look like secrets are none, and stand in the manifest.
    pub plain: bool,
}

impl ServiceForm {
    /// From a browser's form.
    pub fn new(fields: &FormFields) -> Self {
        let field = |name: &str| fields.get(name).map(|value| value.trim().replace('\r', "")).unwrap_or_default();
        Self {
            image: field("image"),
            name: field("name"),
            port: field("port"),
            address: field("address"),
            tls: fields.get("tls").is_some_and(|tls| tls == "letsencrypt"),
            access_list: field("access_list"),
            environment: field("environment"),
            volumes: field("volumes"),
            reuse: fields.get("reuse").is_some_and(|reuse| reuse == "yes"),
            plain: fields.get("plain").is_some_and(|plain| plain == "yes"),
        }
    }

    /// The default name, from the image: `gitea/gitea:1.22` → `gitea`.
    pub fn with_name(mut self) -> Self {
        if self.name.is_empty() {
            let last = self.image.rsplit('/').next().unwrap_or_default();
            let plain = last.split([':', '@']).next().unwrap_or_default().to_lowercase();
            let label: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            label.trim_matches('-').clone_into(&mut self.name);
        }
        self
    }

    /// The secrets among the typed variables, which the manifest only names.
    pub fn secrets(&self) -> Vec<PlainSecret> {
        if self.plain {
            return Vec::new();
        }
        let pairs = lines(&self.environment).filter_map(|line| line.split_once('='));
        plain_secrets::named(&self.name, pairs.map(|(name, value)| (name.trim(), value)))
    }

    /// As YAML.
    pub fn manifest(&self) -> String {
        self.parts().into_iter().map(|(_, text)| text).collect()
    }

    /// The field that a line of the manifest comes from, counted from 1.
    pub fn field_at(&self, line: usize) -> Option<&'static str> {
        let fields = self.parts().into_iter().flat_map(|(field, text)| vec![field; text.lines().count()]);
        fields.into_iter().nth(line.checked_sub(1)?)
    }

    /// The typed variable in a line of the manifest, if it has no `=`.
    pub fn bare_variable_at(&self, line: usize) -> Option<&str> {
        let first = (1..).find(|line| self.field_at(*line).is_none_or(|field| field == "environment"))?;
        // The key of the map comes before its variables.
        let variable = lines(&self.environment).nth(line.checked_sub(first + 1)?)?;
        (!variable.contains('=')).then_some(variable)
    }

    /// The manifest in pieces, each with the field that it says. Values are written on one line.
    fn parts(&self) -> Vec<(&'static str, String)> {
        let mut parts = vec![
            ("name", format!("name: {}\n", scalar(&self.name))),
            ("image", format!("image: {}\n", scalar(&self.image))),
        ];
        let is_elsewhere = !self.address.is_empty() && self.address != self.name;
        if !self.port.is_empty() && is_elsewhere {
            let to = scalar(&format!("{}:{}", self.name, self.port));
            parts.push(("address", format!("routes:\n  - domain: {}\n", scalar(&self.address))));
            parts.push(("port", format!("    to: {to}\n")));
            parts.extend(self.tls.then(|| ("tls", "    tls: letsencrypt\n".to_owned())));
        } else if !self.port.is_empty() {
            parts.push(("port", format!("port: {}\n", number(&self.port))));
            parts.extend(self.tls.then(|| ("tls", "ssl: true\n".to_owned())));
        }
        if !self.port.is_empty() && !self.access_list.is_empty() {
            parts.push(("access_list", format!("access_list: {}\n", scalar(&self.access_list))));
        }
        let variables: Vec<&str> = lines(&self.environment).collect();
        parts.extend((!variables.is_empty()).then(|| ("environment", "environment:\n".to_owned())));
        let secrets = self.secrets();
        let is_kept =
            |one: &&PlainSecret, (name, value): (&str, &str)| one.variable == name.trim() && one.value == value;
        let named = |pair: (&str, &str)| {
            let kept = secrets.iter().find(|one| is_kept(one, pair)).map(|one| one.name.as_str());
            kept.or_else(|| plain_secrets::reference(pair.1)).map(|secret| format!("{{secret: {secret}}}"))
        };
        parts.extend(variables.into_iter().map(|variable| match variable.split_once('=') {
            Some((name, value)) => {
                let said = named((name, value)).unwrap_or_else(|| quoted(value));
                ("environment", format!("  {}: {said}\n", scalar(name.trim())))
            }
            // The reader refuses a name without a value.
            None => ("environment", format!("  {}:\n", scalar(variable))),
        }));
        let volumes: Vec<&str> = lines(&self.volumes).collect();
        parts.extend((!volumes.is_empty()).then(|| ("volumes", "volumes:\n".to_owned())));
        parts.extend(volumes.into_iter().map(|volume| ("volumes", format!("  - {}\n", scalar(volume)))));
        parts.extend(self.reuse.then(|| ("reuse", "reuse: true\n".to_owned())));
        parts
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// A number if it is one; else the typed text, so that the reader reports the error.
fn number(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(form: ServiceForm, expected: &str) {
        assert_eq!(form.with_name().manifest(), expected);
    }

    #[test]
    fn the_shortest_manifest_that_says_it() {
        let form = |image: &str| ServiceForm { image: image.to_owned(), ..ServiceForm::default() };
        says(form("gitea/gitea:1.22"), "name: gitea\nimage: gitea/gitea:1.22\n");
        says(
            ServiceForm { port: "3000".into(), tls: true, ..form("ghcr.io/a/My_App@sha256:00") },
            "name: my-app\nimage: ghcr.io/a/My_App@sha256:00\nport: 3000\nssl: true\n",
        );
        says(
            ServiceForm {
                name: "git".into(),
                port: "3000".into(),
                address: "code".into(),
                tls: true,
                ..form("gitea:1")
            },
            "name: git\nimage: gitea:1\nroutes:\n  - domain: code\n    to: git:3000\n    tls: letsencrypt\n",
        );
        says(
            ServiceForm { port: "80".into(), access_list: "family".into(), ..form("web:1") },
            "name: web\nimage: web:1\nport: 80\naccess_list: family\n",
        );
        says(ServiceForm { reuse: true, ..form("web:1") }, "name: web\nimage: web:1\nreuse: true\n");
        says(
            ServiceForm {
                environment: "A=b: c\r\nEMPTY=\nNO = yes".replace('\r', ""),
                volumes: "data:/data\n/srv/x:/x:ro".into(),
                ..form("web:1")
            },
            "name: web\nimage: web:1\nenvironment:\n  A: \"b: c\"\n  EMPTY: \"\"\n  \"NO\": \" yes\"\nvolumes:\n  - data:/data\n  - /srv/x:/x:ro\n",
        );
    }

    #[test]
    fn a_typed_secret_is_named_and_not_written() {
        let environment = "DB_PASSWORD=hunter2\nTZ=UTC\nTOKEN={secret: web/other}".to_owned();
        let form = ServiceForm { image: "web:1".into(), environment, ..ServiceForm::default() };
        let variables = "  DB_PASSWORD: {secret: web/db_password}\n  TZ: \"UTC\"\n  TOKEN: {secret: web/other}\n";
        says(form.clone(), &format!("name: web\nimage: web:1\nenvironment:\n{variables}"));
        assert_eq!(form.clone().with_name().secrets().len(), 1);
        let plain = ServiceForm { plain: true, ..form };
        assert!(plain.manifest().contains("DB_PASSWORD: \"hunter2\""), "{}", plain.manifest());
    }

    #[test]
    fn a_line_of_the_manifest_knows_its_field() {
        let form = ServiceForm {
            image: "web:1".into(),
            name: "web".into(),
            port: "80".into(),
            address: "www".into(),
            tls: true,
            environment: "A=1\nB=2".into(),
            volumes: "data:/data".into(),
            ..ServiceForm::default()
        };
        let fields: Vec<&str> = (1..).map_while(|line| form.field_at(line)).collect();
        let expected = ["name", "image", "address", "address", "port", "tls", "environment", "environment"];
        assert_eq!(fields, [&expected[..], &["environment", "volumes", "volumes"]].concat());
        assert_eq!(form.field_at(0), None);
    }

    #[test]
    fn a_variable_without_a_value_is_none_and_knows_its_line() {
        let environment = "A=1\nBARE\nEMPTY=".to_owned();
        let form = ServiceForm { image: "web:1".into(), environment, ..ServiceForm::default() };
        assert!(form.manifest().ends_with("environment:\n  A: \"1\"\n  BARE:\n  EMPTY: \"\"\n"), "{}", form.manifest());
        let bare: Vec<usize> = (0..9).filter(|line| form.bare_variable_at(*line).is_some()).collect();
        assert_eq!((bare, form.bare_variable_at(5)), (vec![5], Some("BARE")));
    }

    #[test]
    fn nothing_that_is_typed_becomes_another_key() {
        let form = ServiceForm {
            name: "a\nprivileged: true".into(),
            image: "x: y\" #".into(),
            port: "80\nb: c".into(),
            ..ServiceForm::default()
        };
        assert_eq!(form.manifest(), "name: \"a\\nprivileged: true\"\nimage: \"x: y\\\" #\"\nport: \"80\\nb: c\"\n");
    }
}
