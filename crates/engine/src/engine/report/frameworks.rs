//! The frameworks that Amarre detects in a repository.

use schemars::JsonSchema;
use serde::Serialize;

use amarre_core::apps::KnownFramework;

/// `amarre.frameworks/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Frameworks")]
pub struct FrameworksDocument {
    schema: &'static str,
    /// By name.
    pub frameworks: Vec<FrameworkDocument>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Framework")]
pub struct FrameworkDocument {
    /// As `framework:` takes it.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    pub language: &'static str,
    /// The version of the language where no file of the repository says one; null: the language has none.
    pub version: Option<&'static str>,
    /// The port on which it listens where the repository says none.
    pub port: u16,
    pub detected_by: DetectedBy,
}

/// What a repository is known by: one of the files, where there are any, and one of the dependencies.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DetectedBy")]
pub struct DetectedBy {
    pub files: Vec<&'static str>,
    pub dependencies: Vec<&'static str>,
}

impl FrameworksDocument {
    pub fn all() -> Self {
        let frameworks = amarre_core::apps::known_frameworks().map(FrameworkDocument::new).collect();
        Self { schema: "amarre.frameworks/v1", frameworks }
    }

    /// A line each.
    pub fn text(&self) -> String {
        let mut out = format!("{:<12}{:<12}{:<9}{:<6}DETECTED BY\n", "NAME", "LANGUAGE", "VERSION", "PORT");
        for row in &self.frameworks {
            let version = row.version.unwrap_or("-");
            let DetectedBy { files, dependencies } = &row.detected_by;
            let parts = [files.join(" or "), dependencies.join(" or ")];
            let by: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            let by = if by.is_empty() { "where no other one fits".to_owned() } else { by.join(", and ") };
            let (name, language, port) = (row.name, row.language, row.port);
            out.push_str(format!("{name:<12}{language:<12}{version:<9}{port:<6}{by}").trim_end());
            out.push('\n');
        }
        out
    }
}

impl FrameworkDocument {
    fn new(known: KnownFramework) -> Self {
        let KnownFramework { name, title, language, version, port, files, dependencies } = known;
        let text = |texts: &'static [String]| texts.iter().map(String::as_str).collect();
        let detected_by = DetectedBy { files: text(files), dependencies: text(dependencies) };
        Self { name, title, language, version, port, detected_by }
    }
}
