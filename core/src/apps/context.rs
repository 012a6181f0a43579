//! Where the files of a repository stand in what is sent with a Dockerfile that Amarre wrote: in a folder of their own. The Dockerfile
//! stands beside that folder, so no file of the repository takes its place, and `COPY . .` does not copy it.

pub const SENT_BELOW: &str = "source";

/// A Dockerfile that Amarre wrote, with each path that it copies from the repository below [`SENT_BELOW`].
pub fn from_below(dockerfile: &str) -> String {
    let line = |line: &str| {
        let copied = line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--"));
        let Some(rest) = copied else { return line.to_owned() };
        let mut words: Vec<&str> = rest.split_whitespace().collect();
        let target = words.pop().unwrap_or_default();
        let paths: Vec<String> = words.iter().map(|path| format!("{SENT_BELOW}/{path}")).collect();
        format!("COPY {} {target}", paths.join(" "))
    };
    let lines = dockerfile.split('\n').map(line);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_below_the_folder() {
        assert_eq!(
            from_below(
                "FROM a\nCOPY . .\nCOPY a.json b.lock ./\nCOPY --from=build /app /app\nRUN echo COPY x\nCOPY public /srv\n"
            ),
            "FROM a\nCOPY source/. .\nCOPY source/a.json source/b.lock ./\nCOPY --from=build /app /app\nRUN echo COPY x\n\
             COPY source/public /srv\n"
        );
    }
}
