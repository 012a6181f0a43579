//! A 404 host of NPM: names that it answers with "404 Not Found".

use super::{
    ADVANCED, CERTIFICATE, ENABLED, FORCE_HTTPS, FieldReader, HSTS, HSTS_SUBDOMAINS, HTTP2, MARK, ONLINE, SITE_DOMAINS,
    WebHost,
};
use crate::model::{Fields, Kind, KindSchema, Typed};

/// A 404 host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadHost {
    /// What every host with names has.
    pub site: WebHost,
}

impl Typed for DeadHost {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::DeadHost,
        fields: &[
            SITE_DOMAINS,
            CERTIFICATE,
            FORCE_HTTPS,
            HTTP2,
            HSTS,
            HSTS_SUBDOMAINS,
            ADVANCED,
            ENABLED,
            ONLINE,
            MARK,
        ],
        claims: Some("domains"),
    };

    fn fields(&self) -> Fields {
        self.site.fields()
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        Ok(Self { site: WebHost::read(&FieldReader::new(&Self::SCHEMA, fields)?)? })
    }
}
