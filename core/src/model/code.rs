//! The error codes. A code is never re-used and never changes its meaning; its page is `docs/errors/CODE.md`, and its text (`A0405`) is
//! what people, JSON and the ledger have. The program decides by the variant, never by the text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Calls the macro `$then` with every code, in order.
#[macro_export]
macro_rules! with_codes {
    ($then:ident) => {
        $then! {
            // Manifests.
            A0101 A0102 A0103 A0104 A0105 A0106 A0107 A0108 A0109 A0110 A0111 A0112 A0113 A0114 A0115 A0116 A0120
            A0121 A0122 A0123 A0124 A0131 A0140 A0150 A0151 A0152 A0153 A0154 A0155 A0156 A0157 A0158 A0159
            A0160 A0161 A0162 A0163 A0164 A0165 A0170 A0171 A0172 A0173 A0174 A0180 A0181 A0182 A0183 A0184 A0185
            A0186 A0187 A0188 A0189 A0190 A0191 A0192 A0193 A0194 A0195 A0196
            // Configuration, secrets and policy.
            A0201 A0203 A0204 A0205 A0206 A0207 A0208 A0209 A0210 A0211 A0212 A0215 A0216 A0217 A0218
            A0219 A0220 A0221 A0222 A0223 A0224 A0226 A0227 A0240 A0241 A0242 A0243 A0250 A0251 A0252 A0253
            A0254 A0255 A0256 A0257 A0258 A0259 A0260 A0261 A0262 A0263 A0264 A0265 A0266 A0267 A0268 A0269
            A0270 A0271 A0272 A0273 A0275 A0276 A0277 A0278 A0279 A0280 A0281 A0282 A0283 A0284 A0285 A0286
            A0287 A0288 A0289 A0290 A0291 A0292 A0293 A0294
            // Source.
            A0301 A0302 A0303 A0304 A0305 A0306 A0307 A0308 A0309 A0310 A0311 A0312 A0313 A0314 A0315 A0316
            A0317 A0318
            // Refusals and guards.
            A0401 A0402 A0403 A0404 A0405 A0406 A0407 A0408 A0409 A0410 A0411 A0412 A0414 A0415 A0416 A0417
            A0418 A0419 A0420 A0421 A0422 A0430 A0431 A0432 A0440 A0441 A0442 A0443 A0444 A0445 A0446 A0447
            A0448 A0449 A0460 A0461 A0462 A0463 A0464 A0465
            // Docker.
            A0501 A0502 A0503 A0504 A0505 A0506 A0507 A0508 A0509 A0510 A0511 A0512 A0513 A0515 A0516 A0520
            A0521 A0522 A0523 A0524 A0525 A0526 A0527 A0528 A0529 A0532 A0535 A0536 A0537 A0538 A0540 A0541
            A0542
            // NPM.
            A0601 A0602 A0603 A0604 A0605 A0606 A0607 A0608 A0609 A0610 A0611 A0612 A0613 A0614 A0618 A0620
            A0621 A0622 A0623 A0624
            // DNS and OVH.
            A0701 A0702 A0703 A0704 A0705 A0706 A0707 A0720 A0721 A0722 A0723 A0724 A0725
            // OVH Public Cloud.
            A0730 A0731 A0732 A0733 A0734 A0735 A0736 A0737 A0738 A0739
            // Kamatera.
            A0740 A0741 A0742
            // Instances, at any cloud.
            A0743 A0744
            // Servers that Amarre makes, at any cloud.
            A0750 A0751 A0752 A0753 A0754
            // Machines of pools.
            A0760 A0761 A0762 A0763 A0764 A0765 A0766 A0767 A0768
            // Apps that are built.
            A0770 A0771 A0772 A0773 A0774 A0775 A0776 A0777 A0778 A0779 A0780 A0781
            // Certificates.
            A0801 A0802 A0803 A0804 A0805 A0806 A0807 A0808 A0809
            // Ledger and runs.
            A0901 A0902 A0903 A0904 A0905 A0906 A0907 A0909 A0910 A0911
            // HTTP and accounts.
            A1001 A1002 A1003 A1004 A1005 A1006 A1007 A1008 A1009 A1010 A1011 A1012 A1013 A1014 A1015 A1016
            A1017 A1030 A1032 A1033 A1034 A1035
        }
    };
}

macro_rules! define {
    ($($code:ident)*) => {
        /// One error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = concat!("See `docs/errors/", stringify!($code), ".md`.")] $code,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];

            /// As people read it: `A0405`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => stringify!($code),)*
                }
            }
        }
    };
}

with_codes!(define);

impl Code {
    /// Reads `A0405`, in upper or lower case. `None`: this version does not know the code, and a stored text is shown as it was stored.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        Self::ALL.binary_search_by(|known| known.as_str().cmp(&text)).ok().map(|at| Self::ALL[at])
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
