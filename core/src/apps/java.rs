//! Java: Spring Boot, with Maven or Gradle.

use std::collections::BTreeMap;

use askama::Template;

use super::DetectedPart;
use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::versions::{first_line, settle, tool_version};
use crate::text;

/// Long-term releases.
const KNOWN: [&str; 3] = ["17", "21", "25"];
pub(super) const USUAL: &str = "21";
const SPRING: &str = "org.springframework.boot";

#[derive(Template)]
#[template(path = "java.txt")]
struct JavaFile<'a> {
    end: &'a End,
    version: String,
    is_maven: bool,
}

const FILES: [&str; 3] = ["pom.xml", "build.gradle", "build.gradle.kts"];

/// Without what is commented out.
fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, rest)| rest);
    }
    kept.push_str(rest);
    kept.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Groups that are asked for, each with the file that names it. `None`: no Java here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    let file = app.first(&FILES)?;
    let text = without_comments(app.text(file).unwrap_or_default());
    // Either names the plugin or the parent, which makes it an app that can be started.
    let is_spring = text.contains("spring-boot-starter-parent") || text.contains("spring-boot-maven-plugin");
    let is_spring = is_spring || file != "pom.xml" && text.contains(SPRING);
    Some(is_spring.then(|| (SPRING.to_owned(), file.to_owned())).into_iter().collect())
}

/// What Java makes of an app.
pub(super) fn recipe<'a>(app: &RepositoryFolder<'a>, findings: &mut AppFindings) -> Recipe<'a> {
    let file = app.first(&FILES).unwrap_or("pom.xml");
    let text = without_comments(app.text(file).unwrap_or_default());
    let tag = |name: &str| {
        let value = text.split_once(&format!("<{name}>"))?.1.split('<').next()?.trim();
        value.starts_with(|char: char| char.is_ascii_digit()).then(|| value.trim_start_matches("1.").to_owned())
    };
    let gradle = || {
        let after = text.split_once("languageVersion").or_else(|| text.split_once("sourceCompatibility"))?.1;
        let digits: String =
            after.chars().skip_while(|char| !char.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        Some(digits).filter(|digits| !digits.is_empty())
    };
    let property = |file: &str, key: &str| {
        let line =
            app.text(file)?.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='))?;
        Some(line.trim().to_owned())
    };
    let said = [
        (
            if file == "pom.xml" { "pom.xml" } else { "build.gradle" },
            match file {
                "pom.xml" => tag("java.version").or_else(|| tag("maven.compiler.release")).or_else(|| tag("release")),
                _ => gradle(),
            },
        ),
        (".java-version", first_line(app, ".java-version")),
        ("system.properties", property("system.properties", "java.runtime.version")),
        (".sdkmanrc", property(".sdkmanrc", "java")),
        (
            ".tool-versions",
            tool_version(app, "java")
                .map(|text| text.trim_start_matches(|char: char| !char.is_ascii_digit()).to_owned()),
        ),
    ];
    let version = settle("Java", said, &KNOWN, USUAL, findings);
    let is_maven = file == "pom.xml";
    findings.found(DetectedPart::Manager, if is_maven { "maven" } else { "gradle" }, text!("there is {file}", file));
    let modules = ["<modules>", "<module>"].into_iter().any(|tag| text.contains(tag));
    if is_maven && modules {
        findings.ask(text!("{file} has modules: one of them is the app", file), vec!["path: MODULE".to_owned()]);
    }
    let render = Box::new(move |end: &End| recipe::written(&JavaFile { end, version, is_maven }));
    let port = ["application.properties", "application.yml", "application.yaml"].into_iter().find_map(|name| {
        let path = format!("src/main/resources/{name}");
        let said = app
            .text(&path)?
            .lines()
            .find_map(|line| line.trim().strip_prefix("server.port")?.trim_start().strip_prefix('='))?;
        Some((said.trim().parse::<u16>().ok()?, text!("{file} says so", file = path)))
    });
    let (values, environment) = (BTreeMap::new(), BTreeMap::new());
    Recipe { context: app.path.to_owned(), values, start: None, port, environment, render }
}
