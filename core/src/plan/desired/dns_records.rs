//! Records that a manifest wants: at which provider, and why one is not written.

use crate::model::families::ProviderRole;
use crate::model::{Address, Code, Fields, Hint, Kind, Need, Origin, ProviderId, Refusal, Value};
use crate::plan::expansion::Expansion;
use crate::text;

/// Records of one name and type that are wanted.
pub(crate) struct WantedRecords<'a> {
    pub(crate) name: &'a str,
    pub(crate) record_type: &'a str,
    pub(crate) values: Value,
    pub(crate) ttl_s: u32,
}

impl Expansion<'_> {
    /// Wants a record set.
    pub(crate) fn record_set(&mut self, set: WantedRecords<'_>, needs: Vec<Need>, origin: &Origin) -> Address {
        let WantedRecords { name, record_type, values, ttl_s } = set;
        let address = self.record_address(name, record_type);
        let fields = Fields::default()
            .with("values", values)
            .with("ttl", Value::Int(i64::from(ttl_s)))
            .with("mark", Value::Bool(true));
        let refusal = self.no_zone(name).or_else(|| self.names.refusal(name, record_type, self.service));
        let refusal = refusal.or_else(|| self.name_conflict(name, record_type));
        self.wants.limits.insert(address.clone(), self.input.site.dns_timeout);
        let want = self.want(address.clone(), fields, needs, origin);
        want.refuse(refusal);
        address
    }

    /// A record set at the provider that answers for its zone.
    pub(crate) fn record_address(&self, name: &str, record_type: &str) -> Address {
        let provider = self.input.site.dns_provider(name).cloned();
        let provider = provider.unwrap_or_else(|| ProviderId::usual(ProviderRole::Zones));
        Address::new(provider, Kind::Record, &format!("{name}/{record_type}"))
    }

    /// No zone that can be written holds a name.
    pub(crate) fn no_zone(&self, name: &str) -> Option<Refusal> {
        let (code, message) = match self.input.site.dns_provider(name) {
            None if self.input.site.zones.is_empty() => {
                let usual = ProviderId::usual(ProviderRole::Zones);
                let account = usual.one();
                let message = text!("no record can be written for {name}: no {account} is configured", name, account);
                (Code::A0706, message)
            }
            None => (Code::A0701, text!("no configured zone holds {name}", name)),
            Some(provider) if self.input.world.is_dark(provider) => return None,
            Some(provider) if self.input.world.zone_of(provider, name).is_some() => return None,
            Some(provider) => {
                (Code::A0701, text!("no zone of the {account} holds {name}", account = provider.one(), name))
            }
        };
        let file = &self.service.origin.file;
        let hints = vec![Hint::text(text!("put `dns: none` in {file} if its record is kept elsewhere", file))];
        Some(Refusal { code, message, found: Vec::new(), hints })
    }

    /// A CNAME stands alone at its name; an AAAA of somebody else would take half of the visitors elsewhere.
    pub(crate) fn name_conflict(&self, name: &str, record_type: &str) -> Option<Refusal> {
        let rivals: &[&str] = match record_type {
            "A" => &["CNAME", "AAAA"],
            "AAAA" => &["CNAME", "A"],
            "CNAME" => &["A", "AAAA", "TXT", "MX", "NS", "SRV", "CAA"],
            _ => &["CNAME"],
        };
        let rivals = rivals.iter().map(|record_type| self.record_address(name, record_type));
        let (rival, seen) = rivals
            .filter_map(|rival| Some((self.input.world.seen.get(&rival)?, rival)))
            .map(|(seen, rival)| (rival, seen))
            .find(|(_, seen)| !seen.owner.is_ours())?;
        let values = seen.fields.strings("values").join(", ");
        let record = rival.name.rsplit('/').next().unwrap_or_default();
        Some(Refusal {
            code: Code::A0405,
            message: text!("{record} exists at {name} and is not ours", record, name),
            found: vec![((&rival.name).into(), values.into())],
            hints: vec![
                Hint::text(text!(
                    "remove that record at {provider} if it is a left-over",
                    provider = rival.provider.title()
                )),
                Hint::text(text!("to leave it alone, put `dns: none` in {file}", file = &self.service.origin.file)),
            ],
        })
    }
}
