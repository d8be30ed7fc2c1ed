//! The programs that the lab runs and that are not ours.

use std::env;
use std::path::{Path, PathBuf};

/// Where the programs of a lab are.
#[derive(Clone, Debug)]
pub struct Tools {
    pub(super) prometheus: PathBuf,
    pub(super) promtool: PathBuf,
    pub(super) alertmanager: PathBuf,
    /// Where the project's own Alertmanager, which is not installed, finds its templates.
    pub(super) templates: PathBuf,
}

/// A program that is nowhere.
#[derive(Debug, thiserror::Error)]
#[error(
    "the lab needs {program}: `make tools` in the project's root installs it into .tools, or \
     install it so that it is on PATH (on Debian: apt install {package})"
)]
pub struct Missing {
    program: &'static str,
    package: &'static str,
}

impl Tools {
    /// Looks below the project's root first, since those versions are the tested ones, then in
    /// PATH.
    ///
    /// # Errors
    /// The first program that is nowhere.
    pub fn find(root: &Path) -> Result<Self, Missing> {
        let path = env::var_os("PATH").unwrap_or_default();
        let path: Vec<PathBuf> = env::split_paths(&path).collect();
        Self::find_in(root, &path)
    }

    fn find_in(root: &Path, path: &[PathBuf]) -> Result<Self, Missing> {
        let tools = root.join(".tools");
        let find = |own: &str, names: &[&'static str], package| {
            let own = tools.join(own);
            let places = [&own].into_iter().chain(path);
            let mut files = places.flat_map(|place| names.iter().map(|name| place.join(name)));
            let missing = Missing { program: names[0], package };
            files.find(|file| file.is_file()).ok_or(missing)
        };
        let alertmanager = ["alertmanager", "prometheus-alertmanager"];
        Ok(Self {
            prometheus: find("prometheus/usr/bin", &["prometheus"], "prometheus")?,
            promtool: find("prometheus/usr/bin", &["promtool"], "prometheus")?,
            alertmanager: find("bin", &alertmanager, "prometheus-alertmanager")?,
            templates: tools.join("alertmanager/usr/share/prometheus/alertmanager"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn install(directory: &Path, program: &str) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(program), "").unwrap();
    }

    #[test]
    fn the_projects_own_tools_go_before_those_of_the_machine() {
        let place = tempfile::tempdir().unwrap();
        let bin = place.path().join("bin");
        for program in ["prometheus", "promtool", "prometheus-alertmanager"] {
            install(&bin, program);
        }
        let own = place.path().join(".tools/prometheus/usr/bin");
        install(&own, "prometheus");
        let tools = Tools::find_in(place.path(), std::slice::from_ref(&bin)).unwrap();
        assert_eq!(tools.prometheus, own.join("prometheus"));
        assert_eq!(tools.promtool, bin.join("promtool"));
        assert_eq!(tools.alertmanager, bin.join("prometheus-alertmanager"));
    }

    #[test]
    fn a_missing_program_is_named_with_what_to_do() {
        let place = tempfile::tempdir().unwrap();
        let error = Tools::find_in(place.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("needs prometheus") && error.contains("`make tools`"), "{error}");
    }
}
