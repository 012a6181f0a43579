//! Which images a Dockerfile is made from.

use std::collections::{BTreeMap, BTreeSet};

/// Every image that a Dockerfile names, in order: at `FROM`, at `COPY --from`, and the frontend that `# syntax` asks for. Arguments
/// that are known are filled in; stages of its own are none.
pub fn bases(dockerfile: &str, args: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = BaseImages::default();
    for line in dockerfile.lines().map(str::trim) {
        let comment = line.strip_prefix('#').map(|rest| rest.trim().replace(' ', "").to_ascii_lowercase());
        if comment.is_some_and(|comment| comment.starts_with("syntax=")) {
            found.add(line.split_once('=').map_or("", |(_, image)| image.trim()));
        }
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default().to_ascii_lowercase();
        let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
        match word.as_str() {
            "arg" => {
                if let Some((name, value)) = words.first().and_then(|arg| arg.split_once('=')) {
                    let value = args.get(name).map_or(value, String::as_str);
                    found.args.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
                }
            }
            "from" => {
                found.add(words.first().copied().unwrap_or_default());
                found.stages.push(words.get(2).map(|name| name.to_ascii_lowercase()).unwrap_or_default());
            }
            "copy" | "add" | "run" => {
                let froms = line.split(['=', ',', ' ']).zip(line.split(['=', ',', ' ']).skip(1));
                froms.filter(|(key, _)| matches!(*key, "--from" | "from")).for_each(|(_, image)| found.add(image));
            }
            _ => (),
        }
    }
    found.images
}

#[derive(Default)]
struct BaseImages {
    images: Vec<String>,
    known: BTreeSet<String>,
    args: BTreeMap<String, String>,
    stages: Vec<String>,
}

impl BaseImages {
    fn add(&mut self, image: &str) {
        let filled = self.args.iter().fold(image.to_owned(), |image, (name, value)| {
            image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
        });
        let is_stage = self.stages.contains(&filled.to_ascii_lowercase())
            || filled.parse::<usize>().is_ok_and(|at| at < self.stages.len());
        if !filled.is_empty() && filled != "scratch" && !is_stage && self.known.insert(filled.clone()) {
            self.images.push(filled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_found() {
        let args = BTreeMap::from([("B".to_owned(), "said".to_owned())]);
        let of = |text: &str| bases(text, &args).join(" ");
        assert_eq!(of("FROM a:1 AS build\nFROM build\nCOPY --from=build /x /y\n"), "a:1");
        assert_eq!(of("ARG A=1.2\nFROM --platform=x a:${A}\nFROM b:$A as Two\nFROM two"), "a:1.2 b:1.2");
        assert_eq!(of("ARG B=not\nFROM $B"), "said");
        assert_eq!(
            of("# syntax=docker/dockerfile:1\nfrom scratch\ncopy --from=0 / /\nCOPY --chown=1 --from=c:2 / /"),
            "docker/dockerfile:1 c:2"
        );
        assert_eq!(of("FROM a\nRUN --mount=type=bind,from=evil/x,target=/y cat /y"), "a evil/x");
        assert_eq!(of(""), "");
    }
}
