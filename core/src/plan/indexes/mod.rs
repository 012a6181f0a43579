//! What is found out once for all manifests, from the input alone, so that each is expanded without a search through all.

pub mod all_mounts;
pub mod host_folders;
pub mod known_containers;
pub mod occupied;
pub mod shared_networks;
pub mod zone_names;
