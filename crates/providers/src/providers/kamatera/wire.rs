//! What Kamatera's proxy sends, as far as it is of use, and what its words mean. Numbers come as numbers or as texts.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::providers::servers::vendor_id;
use amarre_core::model::savings::{parse_amount, vendor_amount};

/// Mebibytes of a gibibyte.
pub const MIB_OF_GIB: u32 = 1024;

/// A server in the list of all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WireServer {
    /// For life.
    #[serde(deserialize_with = "vendor_id")]
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub datacenter: String,
    /// `on`, `off`; whether there are other words is not known.
    pub power: String,
}

/// A server with its details.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireServerDetails {
    pub power: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub datacenter: String,
    /// Count and type: `2B`.
    #[serde(default)]
    cpu: Json,
    /// In MiB.
    #[serde(default)]
    ram: Json,
    /// In GB, the boot disk first.
    #[serde(default)]
    disk_sizes: Vec<Json>,
    #[serde(default)]
    networks: Vec<WireNetwork>,
    /// `hourly` or `monthly`.
    #[serde(default)]
    billing: String,
    /// In USD; empty where the proxy could not ask for it.
    #[serde(default)]
    price_hourly_on: Json,
    #[serde(default)]
    price_monthly_on: Json,
}

/// A network of a server, and its addresses there.
#[derive(Debug, Clone, Deserialize)]
struct WireNetwork {
    #[serde(default)]
    network: String,
    #[serde(default)]
    ips: Vec<String>,
}

/// A command of the queue.
#[derive(Debug, Clone, Deserialize)]
pub struct WireCommand {
    id: Json,
    pub status: String,
    /// Lines of text; of a failure they hold the only reason.
    #[serde(default)]
    log: Option<String>,
    /// The server, by its name.
    #[serde(default)]
    pub server: String,
    /// `Create Server`.
    #[serde(default)]
    description: String,
}

/// A tag of a server.
#[derive(Debug, Clone, Deserialize)]
pub struct WireTag {
    #[serde(rename = "tagName", alias = "tag name", default)]
    pub name: String,
}

/// The parts of a size that Amarre gives: `2B 2048MiB 20GB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeParts {
    /// Number and class of the processors.
    pub cpu: String,
    /// In MiB.
    pub ram_mib: String,
    /// Of the one disk.
    pub disk_gb: String,
}

impl SizeParts {
    /// As [`WireServerDetails::size`] writes it; `None`: it has more disks than one, or parts that are missing.
    pub fn parse(size: &str) -> Option<Self> {
        let mut parts = size.split(' ');
        let (cpu, ram, disk) = (parts.next()?, parts.next()?.strip_suffix("MiB")?, parts.next()?.strip_suffix("GB")?);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_size = is_number(ram) && is_number(disk) && parts.next().is_none();
        is_size.then(|| Self { cpu: cpu.to_owned(), ram_mib: ram.to_owned(), disk_gb: disk.to_owned() })
    }
}

impl SizeParts {
    /// The class of the processors: `B`.
    pub fn class(&self) -> &str {
        self.cpu.trim_start_matches(|digit: char| digit.is_ascii_digit())
    }

    /// `2B 2048MiB 20GB`
    pub fn size(&self) -> String {
        format!("{} {}MiB {}GB", self.cpu, self.ram_mib, self.disk_gb)
    }

    /// As a manifest spells it.
    pub fn spelled(&self) -> String {
        let gib = self.ram_mib.parse::<u32>().ok().filter(|mib| mib % MIB_OF_GIB == 0).map(|mib| mib / MIB_OF_GIB);
        let memory = gib.map_or_else(|| format!("{}MiB", self.ram_mib), |gib| format!("{gib}GiB"));
        format!("{{cpu: {}, memory: {memory}, disk: {}GB}}", self.cpu, self.disk_gb)
    }
}

/// What the status of a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// It goes on.
    Working,
    /// It is done; lists may lag.
    Complete,
    /// It did not do it.
    Failed,
}

impl WireServerDetails {
    /// Its size in a few words: `2B 2048MiB 20GB`.
    pub fn size(&self) -> String {
        let disks: Vec<String> = self.disk_sizes.iter().map(text).collect();
        let parts = [(text(&self.cpu), ""), (text(&self.ram), "MiB"), (disks.join("+"), "GB")];
        let parts = parts.into_iter().filter(|(number, _)| !number.is_empty());
        parts.map(|(number, unit)| format!("{number}{unit}")).collect::<Vec<_>>().join(" ")
    }

    /// Its public addresses.
    pub fn addresses(&self) -> Vec<String> {
        let public = self.networks.iter().filter(|network| network.network.starts_with("wan"));
        public.flat_map(|network| network.ips.clone()).collect()
    }

    /// Whether it is paid by the month.
    pub fn is_monthly(&self) -> bool {
        self.billing == "monthly"
    }

    /// What is taken for an hour, or for a month of one that is paid so, in 10⁻⁸ USD.
    pub fn price(&self) -> Option<i64> {
        parse_amount(&text(if self.is_monthly() { &self.price_monthly_on } else { &self.price_hourly_on }))
            .and_then(vendor_amount)
    }
}

impl WireCommand {
    /// Its number, as a text.
    pub fn id(&self) -> String {
        text(&self.id)
    }

    /// What its status says. A word that is not known says that it goes on.
    pub fn state(&self) -> CommandState {
        match self.status.as_str() {
            "complete" => CommandState::Complete,
            "error" | "cancelled" => CommandState::Failed,
            _ => CommandState::Working,
        }
    }

    /// Whether it makes a server.
    pub fn is_create(&self) -> bool {
        self.description == "Create Server"
    }

    /// Whether it ends a server.
    pub fn is_end(&self) -> bool {
        self.description == "Terminate Server"
    }

    /// The name that the server came to have, which is another one where that was taken.
    pub fn real_name(&self) -> Option<&str> {
        let log = self.log.as_deref().unwrap_or_default();
        log.lines().find_map(|line| line.trim().strip_prefix("Name: ")).map(str::trim)
    }

    /// The last line of its log.
    pub fn reason(&self) -> &str {
        let log = self.log.as_deref().unwrap_or_default();
        log.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
    }
}

/// The numbers of the commands that a call began. Each form was seen: a list of texts or numbers, one of them, or an object
/// with `cmdId` or `commandIds`.
pub fn command_ids(answer: &Json) -> Vec<String> {
    match answer {
        Json::String(_) | Json::Number(_) => vec![text(answer)],
        Json::Array(ids) => ids.iter().flat_map(command_ids).collect(),
        Json::Object(fields) => {
            ["cmdId", "commandIds"].iter().filter_map(|key| fields.get(*key)).flat_map(command_ids).collect()
        }
        Json::Null | Json::Bool(_) => Vec::new(),
    }
}

/// What a refusal says, and whether the key is what is refused. The proxy wraps the console's `{"errors":[…]}` into a text inside
/// `message`.
pub fn refusal(body: &Json) -> Option<(String, bool)> {
    if let Some(errors) = body.get("errors").and_then(Json::as_array) {
        let is_login = errors.iter().any(|error| text(&error["code"]) == "1");
        let infos: Vec<String> = errors.iter().map(|error| text(&error["info"])).collect();
        return Some((infos.join("; "), is_login));
    }
    let message = body.get("message")?.as_str()?;
    let inner = serde_json::from_str::<Json>(message).ok();
    inner.as_ref().and_then(refusal).or_else(|| Some((message.to_owned(), false)))
}

/// A number or a text as text; else empty.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_command_ids_is_read() {
        for (answer, ids) in [
            (json!(["210910168"]), vec!["210910168"]),
            (json!([12345, 12346]), vec!["12345", "12346"]),
            (json!(12345), vec!["12345"]),
            (json!("7"), vec!["7"]),
            (json!({"cmdId": 7}), vec!["7"]),
            (json!({"commandIds": ["7"], "password": "x"}), vec!["7"]),
            (json!({"errors": []}), vec![]),
            (json!(null), vec![]),
        ] {
            assert_eq!(command_ids(&answer), ids, "{answer}");
        }
    }

    #[test]
    fn refusals_are_unwrapped() {
        let login = json!({"errors": [{"code": 1, "info": "you are not logged in"}]});
        for (body, expected) in [
            (json!({"message": login.to_string()}), Some(("you are not logged in", true))),
            (login, Some(("you are not logged in", true))),
            (json!({"message": "No servers found (name='x')"}), Some(("No servers found (name='x')", false))),
            (json!({"errors": [{"code": 20, "info": "error occurred"}]}), Some(("error occurred", false))),
            (json!([]), None),
        ] {
            assert_eq!(refusal(&body), expected.map(|(words, is_login)| (words.to_owned(), is_login)), "{body}");
        }
    }

    #[test]
    fn prices_are_exact_and_may_be_missing() {
        for (text, expected) in [
            ("0.019", Some(1_900_000)),
            ("14.00", Some(1_400_000_000)),
            ("25", Some(2_500_000_000)),
            ("", None),
            ("n/a", None),
        ] {
            assert_eq!(parse_amount(text), expected, "{text}");
        }
    }
}
