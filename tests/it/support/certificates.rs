//! Certificates of a test's own, made with the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// `ca`, `server` (for 127.0.0.1), `client`, `expired` (a client's), and `other-ca`; each `NAME.pem` with `NAME-key.pem`.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub fn make() -> Self {
        let certificates = Self { folder: tempfile::tempdir().unwrap() };
        for ca in ["ca", "other-ca"] {
            let (pem, key) = (format!("{ca}.pem"), format!("{ca}-key.pem"));
            let subject = format!("/CN={ca}");
            let ends = ["-keyout", &key, "-out", &pem, "-subj", &subject, "-days", "2"];
            certificates.openssl(&[["req", "-x509"].as_slice(), &KEY, &ends].concat());
        }
        certificates.sign("server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth", "2");
        certificates.sign("client", "extendedKeyUsage=clientAuth", "2");
        certificates.sign("expired", "extendedKeyUsage=clientAuth", "-1");
        certificates
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another `NAME.pem` of `ca`.
    pub fn sign(&self, name: &str, extensions: &str, days: &str) {
        std::fs::write(self.path("extensions"), extensions).unwrap();
        let (pem, key) = (format!("{name}.pem"), format!("{name}-key.pem"));
        let subject = format!("/CN={name}");
        self.openssl(&[["req"].as_slice(), &KEY, &["-keyout", &key, "-out", "request", "-subj", &subject]].concat());
        let ca = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"];
        let ends = ["-extfile", "extensions", "-days", days, "-out", &pem];
        self.openssl(&[["x509", "-req", "-in", "request"].as_slice(), &ca, &ends].concat());
    }

    fn openssl(&self, args: &[&str]) {
        let folder: &Path = self.folder.path();
        let output = Command::new("openssl").args(args).current_dir(folder).output();
        let output = output.expect("openssl is there: scripts/test");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {}: {error}", args.join(" "));
    }
}
