//! Platforms of images: `linux/arm64`, `linux/arm/v7`.

/// Whether an image for one platform is what a manifest asks for, which may name a variant of it.
pub fn is_for(there: &str, asked: &str) -> bool {
    asked.strip_prefix(there).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
