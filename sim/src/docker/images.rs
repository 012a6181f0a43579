//! Images: the local store, the simulated registry, pulls, tags and deletes.

use serde_json::{Map, Value, json};

use super::spec::{Behaviour, ImageSpec};
use super::state::{Answer, Image, Refusal, State, digest, refuse, short};

/// A reference in the short form people type: `nginx`, `ghcr.io/a/b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl Reference {
    pub(super) fn parse(written: &str) -> Self {
        let (rest, digest) = match written.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (written, None),
        };
        // A colon before the last slash is a registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        Self { name: name.to_owned(), tag, digest }
    }

    /// What the engine says of a reference that cannot be one.
    pub(super) fn check(written: &str) -> Answer<()> {
        let parsed = Self::parse(written);
        let path = parsed.name.split_once('/').map_or(parsed.name.as_str(), |(_, path)| path);
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return refuse(400, "invalid reference format: repository name must be lowercase");
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@[]".contains(&byte);
        let digest_fits = |digest: &String| digest.strip_prefix("sha256:").is_some_and(|rest| rest.len() == 64);
        if !written.bytes().all(allowed) || !parsed.digest.as_ref().is_none_or(digest_fits) {
            return refuse(400, "invalid reference format");
        }
        Ok(())
    }

    /// `name:tag` or `name@digest`, `latest` when nothing is said.
    pub(super) fn full(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.name),
            (None, Some(tag)) => format!("{}:{tag}", self.name),
            (None, None) => format!("{}:latest", self.name),
        }
    }
}

/// The image's id: what the spec says, spread over 64 digits where it is not an id already.
pub(super) fn image_id(spec: &ImageSpec) -> String {
    let said = spec.id.strip_prefix("sha256:").unwrap_or(&spec.id);
    if said.len() == 64 && said.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("sha256:{said}");
    }
    let seed = if said.is_empty() { Reference::parse(&spec.reference).full() } else { said.to_owned() };
    format!("sha256:{}", digest(&format!("image {seed}")))
}

fn manifest_digest(spec: &ImageSpec) -> String {
    format!("sha256:{}", digest(&format!("manifest {}", image_id(spec))))
}

impl State {
    /// The local image that `written` names, by id or reference.
    pub(super) fn find_image(&self, written: &str) -> Option<usize> {
        let bare = written.strip_prefix("sha256:").unwrap_or(written);
        let wanted = Reference::parse(written).full();
        self.images.iter().position(|image| image.tags.contains(&wanted) || image.digests.contains(&wanted)).or_else(
            || {
                let hexadecimal = bare.len() >= 4 && bare.bytes().all(|b| b.is_ascii_hexdigit());
                self.images
                    .iter()
                    .position(|image| hexadecimal && image.id.trim_start_matches("sha256:").starts_with(bare))
            },
        )
    }

    /// What the registry has under a reference.
    pub(super) fn in_registry(&self, reference: &Reference) -> Answer<ImageSpec> {
        let full = reference.full();
        if let Some(spec) = self.registry.get(&full) {
            return Ok(spec.clone());
        }
        let by_digest = |spec: &&ImageSpec| {
            let known = Reference::parse(&spec.reference);
            known.name == reference.name && reference.digest == Some(manifest_digest(spec))
        };
        if let Some(spec) = self.registry.values().find(by_digest) {
            return Ok(spec.clone());
        }
        if self.options.pull_anything {
            return Ok(ImageSpec::new(&full));
        }
        let name = &reference.name;
        let known = |spec: &ImageSpec| Reference::parse(&spec.reference).name == *name;
        if self.registry.values().any(known) {
            return refuse(404, format!("manifest for {full} not found: manifest unknown: manifest unknown"));
        }
        refuse(
            404,
            format!(
                "pull access denied for {name}, repository does not exist or may require 'docker login': \
                 denied: requested access to the resource is denied"
            ),
        )
    }

    /// Pulls and gives the lines of the progress stream.
    pub(super) fn pull(&mut self, reference: &Reference, platform: &str) -> Answer<Vec<Value>> {
        let spec = self.in_registry(reference)?.pulled_for(platform);
        let full = reference.full();
        let fresh = self.find_image(&full).is_none_or(|index| self.images[index].id != image_id(&spec));
        let layer = digest(&format!("layer {}", image_id(&spec)));
        let layer = short(&layer);
        let tag = reference.tag.as_deref().or(reference.digest.as_deref());
        let long =
            if reference.name.contains('/') { reference.name.clone() } else { format!("library/{}", reference.name) };
        let mut lines = vec![json!({"status": format!("Pulling from {long}"), "id": tag.unwrap_or("latest")})];
        if fresh {
            for (status, detail) in [
                ("Pulling fs layer", json!({})),
                ("Downloading", json!({"current": 1024, "total": 2048})),
                ("Download complete", json!({})),
                ("Extracting", json!({"current": 2048, "total": 2048})),
                ("Pull complete", json!({})),
            ] {
                lines.push(json!({"status": status, "progressDetail": detail, "id": layer}));
            }
        }
        lines.push(json!({"status": format!("Digest: {}", manifest_digest(&spec))}));
        let end = if fresh {
            format!("Status: Downloaded newer image for {full}")
        } else {
            format!("Status: Image is up to date for {full}")
        };
        lines.push(json!({"status": end}));
        self.store_image(reference, spec);
        self.emit("image", "pull", &full, json!({"name": reference.name}));
        Ok(lines)
    }

    /// Puts an image into the local store and moves its tag there.
    pub(super) fn store_image(&mut self, reference: &Reference, spec: ImageSpec) -> String {
        let id = image_id(&spec);
        let full = reference.full();
        let by_digest = format!("{}@{}", reference.name, manifest_digest(&spec));
        if reference.digest.is_none() {
            for image in &mut self.images {
                image.tags.retain(|tag| *tag != full);
            }
        }
        let index = self.images.iter().position(|image| image.id == id);
        let index = index.unwrap_or_else(|| {
            self.images.push(Image {
                id: id.clone(),
                tags: Vec::new(),
                digests: Vec::new(),
                created: crate::clock::now(),
                spec: spec.clone(),
            });
            self.images.len() - 1
        });
        let image = &mut self.images[index];
        image.spec = spec;
        if reference.digest.is_none() {
            image.tags.push(full);
        }
        if !image.digests.contains(&by_digest) {
            image.digests.push(by_digest);
        }
        id
    }

    /// `DELETE /images/{name}`.
    pub(super) fn delete_image(&mut self, written: &str, force: bool) -> Answer<Value> {
        let Some(index) = self.find_image(written) else {
            let full = Reference::parse(written).full();
            return refuse(404, format!("No such image: {full}"));
        };
        let full = Reference::parse(written).full();
        let id = self.images[index].id.clone();
        let by_tag = self.images[index].tags.contains(&full);
        let last = self.images[index].tags.len() <= 1;
        if let Some(user) = self.containers.iter().find(|c| c.image_id == id) {
            let (image, container) = (short(&id), short(&user.id));
            if by_tag && last && !force {
                return refuse(
                    409,
                    format!(
                        "conflict: unable to remove repository reference \"{written}\" (must force) - \
                         container {container} is using its referenced image {image}"
                    ),
                );
            }
            if !by_tag && user.is_running() {
                return refuse(
                    409,
                    format!(
                        "conflict: unable to delete {image} (cannot be forced) - image is being used by running container {container}"
                    ),
                );
            }
            if !by_tag && !force {
                return refuse(
                    409,
                    format!(
                        "conflict: unable to delete {image} (must be forced) - image is being used by stopped container {container}"
                    ),
                );
            }
        }
        if !by_tag && !last && !force {
            let image = short(&id);
            return refuse(
                409,
                format!(
                    "conflict: unable to delete {image} (must be forced) - image is referenced in multiple repositories"
                ),
            );
        }
        let used = self.containers.iter().any(|c| c.image_id == id);
        let image = &mut self.images[index];
        let gone: Vec<String> = if by_tag {
            image.tags.retain(|tag| *tag != full);
            vec![full]
        } else {
            std::mem::take(&mut image.tags)
        };
        let mut answer: Vec<Value> = gone.iter().map(|tag| json!({"Untagged": tag})).collect();
        let mut deleted = false;
        if image.tags.is_empty() && !used {
            answer.extend(image.digests.iter().map(|digest| json!({"Untagged": digest})));
            answer.push(json!({"Deleted": id}));
            self.images.remove(index);
            deleted = true;
        }
        for _ in &gone {
            self.emit("image", "untag", &id, json!({"name": id}));
        }
        if deleted {
            self.emit("image", "delete", &id, json!({"name": id}));
        }
        Ok(Value::Array(answer))
    }

    /// `POST /images/{name}/tag`.
    pub(super) fn tag_image(&mut self, written: &str, repo: &str, tag: &str) -> Answer<()> {
        let Some(index) = self.find_image(written) else {
            let full = Reference::parse(written).full();
            return refuse(404, format!("No such image: {full}"));
        };
        let written = if tag.is_empty() { repo.to_owned() } else { format!("{repo}:{tag}") };
        let full = Reference::parse(&written).full();
        let id = self.images[index].id.clone();
        for image in &mut self.images {
            image.tags.retain(|tag| *tag != full);
        }
        self.images[index].tags.push(full.clone());
        self.emit("image", "tag", &id, json!({"name": full}));
        Ok(())
    }

    /// `GET /distribution/{name}/json`, which asks the registry.
    pub(super) fn distribution(&self, written: &str) -> Answer<Value> {
        let spec = self.in_registry(&Reference::parse(written)).map_err(|_| Refusal {
            status: 403,
            message: "errors:\ndenied: requested access to the resource is denied\n\
                          unauthorized: authentication required\n"
                .to_owned(),
        })?;
        Ok(json!({
            "Descriptor": {
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "digest": manifest_digest(&spec),
                "size": 1362,
            },
            "Platforms": [{"architecture": "amd64", "os": "linux"}],
        }))
    }
}

/// An entry of `GET /images/json`.
pub(super) fn listed(image: &Image) -> Value {
    // A dangling image shows these placeholders.
    let tags = if image.tags.is_empty() { json!(["<none>:<none>"]) } else { json!(image.tags) };
    let digests = if image.digests.is_empty() { Value::Null } else { json!(image.digests) };
    json!({
        "Containers": -1, "Created": image.created.as_second(), "Id": image.id,
        "Labels": labels(&image.spec), "ParentId": "", "RepoDigests": digests, "RepoTags": tags,
        "SharedSize": -1, "Size": 1_982_312, "VirtualSize": 1_982_312,
    })
}

/// `GET /images/{name}/json`.
pub(super) fn inspected(image: &Image) -> Value {
    let layer = digest(&format!("layer {}", image.id));
    let blank = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": null,
        "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    });
    let (os, architecture) = image.spec.built_for();
    let mut config = blank.clone();
    if let (Some(config), Value::Object(own)) = (config.as_object_mut(), config_of(&image.spec)) {
        config.extend(own);
    }
    json!({
        "Id": image.id, "RepoTags": image.tags, "RepoDigests": image.digests, "Parent": "", "Comment": "",
        "Created": image.created.to_string(), "Container": "", "ContainerConfig": blank,
        "DockerVersion": "20.10.24", "Author": "", "Config": config, "Architecture": architecture, "Os": os,
        "Size": 1_982_312, "VirtualSize": 1_982_312,
        "GraphDriver": {"Data": {
            "MergedDir": format!("/var/lib/docker/overlay2/{layer}/merged"),
            "UpperDir": format!("/var/lib/docker/overlay2/{layer}/diff"),
            "WorkDir": format!("/var/lib/docker/overlay2/{layer}/work"),
        }, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": [format!("sha256:{layer}")]},
        "Metadata": {"LastTagTime": image.created.to_string()},
    })
}

/// The image's part of a container's `Config`.
pub(super) fn config_of(spec: &ImageSpec) -> Value {
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    let keys = |names: Vec<String>| {
        let pairs = names.into_iter().map(|name| (name, json!({})));
        Value::Object(pairs.collect())
    };
    set("User", json!(spec.user));
    if !spec.env.is_empty() {
        set("Env", json!(spec.env));
    }
    if !spec.cmd.is_empty() {
        set("Cmd", json!(spec.cmd));
    }
    if !spec.volumes.is_empty() {
        set("Volumes", keys(spec.volumes.clone()));
    }
    if !spec.ports.is_empty() {
        let ports = spec.ports.iter().map(|port| format!("{port}/tcp"));
        set("ExposedPorts", keys(ports.collect()));
    }
    set("Labels", labels(spec));
    // These behaviours speak through a healthcheck, so there is one.
    let implied = match spec.behaviour {
        Behaviour::Unhealthy | Behaviour::HealthyAfter(_) => Some(json!({"Test": ["CMD-SHELL", "true"]})),
        Behaviour::Serve | Behaviour::Exit(_) | Behaviour::SlowStart(_) => None,
    };
    if let Some(healthcheck) = spec.healthcheck.clone().or(implied) {
        set("Healthcheck", healthcheck);
    }
    Value::Object(config)
}

fn labels(spec: &ImageSpec) -> Value {
    if spec.labels.is_empty() {
        return Value::Null;
    }
    let pairs = spec.labels.iter().map(|(key, value)| (key.clone(), json!(value)));
    Value::Object(pairs.collect())
}
