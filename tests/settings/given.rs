//! Settings given in layers, and what comes of them.

use skep::config::{Config, Effective, Invalid, Origin, Sources};
use tempfile::TempDir;

/// Layers to load, from a file in a directory of their own.
pub struct Layers {
    pub dir: TempDir,
    pub sources: Sources,
}

pub fn layers() -> Layers {
    Layers { dir: tempfile::tempdir().unwrap(), sources: Sources::default() }
}

pub fn file(text: &str) -> Layers {
    let mut layers = layers();
    let path = layers.dir.path().join("my.toml");
    std::fs::write(&path, text).unwrap();
    layers.sources.file = Some((path, Origin::Flag("--config")));
    layers
}

impl Layers {
    pub fn variable(mut self, name: &str, value: &str) -> Layers {
        self.sources.variables.push((name.into(), value.into()));
        self
    }

    pub fn set(mut self, assignment: &str) -> Layers {
        self.sources.flags.push(("--set", assignment.parse().unwrap()));
        self
    }

    pub fn load(&self) -> Result<Effective, Invalid> {
        self.sources.load()
    }

    pub fn config(&self) -> Config {
        self.load().unwrap_or_else(|invalid| panic!("{invalid}")).config
    }

    /// The problems as they are printed, the file's directory taken out.
    pub fn problems(&self) -> Vec<String> {
        let invalid = self.load().expect_err("these settings can't be used");
        let dir = format!("{}/", self.dir.path().display());
        invalid.problems.iter().map(|problem| problem.to_string().replace(&dir, "")).collect()
    }

    /// The only problem.
    #[track_caller]
    pub fn problem(&self) -> String {
        let problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems[0].clone()
    }
}

#[track_caller]
pub fn says(problem: &str, parts: &[&str]) {
    for part in parts {
        assert!(problem.contains(part), "{part:?} is not in: {problem}");
    }
}

pub fn names<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}
