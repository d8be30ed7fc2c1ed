//! What each crate depends on, as cargo reads the manifests.

use std::process::Command;

use serde::Deserialize;

/// What one of the workspace's crates may depend on.
pub(super) struct Rule {
    pub(super) package: &'static str,
    /// Crates of the workspace.
    pub(super) own: &'static [&'static str],
    /// Optional crates of the workspace.
    pub(super) by_feature: &'static [&'static str],
    /// Foreign crates; `None` for any.
    pub(super) foreign: Option<&'static [&'static str]>,
    /// Crates of the workspace for its tests; `None` for any.
    pub(super) own_for_tests: Option<&'static [&'static str]>,
}

/// The output of `cargo metadata`.
#[derive(Deserialize)]
pub(super) struct Workspace {
    pub(super) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(super) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or `None` for normal ones.
    kind: Option<String>,
    optional: bool,
    /// Only for a path dependency.
    path: Option<String>,
}

/// The manifests of the workspace.
pub(super) fn workspace() -> Workspace {
    let text = cargo(&["metadata", "--no-deps", "--offline", "--format-version=1"]);
    serde_json::from_str(&text).unwrap()
}

/// All crates in the package's build without its default features.
pub(super) fn shipped(package: &str) -> Vec<String> {
    let tree = ["tree", "--offline", "--locked", "--no-default-features", "--edges=normal"];
    let form = ["--prefix=none", "--format={p}", "--package", package];
    let text = cargo(&[&tree[..], &form[..]].concat());
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Every dependency that no rule allows.
pub(super) fn forbidden(workspace: &Workspace, rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        let Some(rule) = rules.iter().find(|rule| rule.package == package.name) else {
            found.push(format!("{} is in no list", package.name));
            continue;
        };
        let wrong = package.dependencies.iter().filter(|it| !allows(rule, it));
        found.extend(wrong.map(|it| format!("{} is built with {}", package.name, it.name)));
    }
    found
}

/// Path dependencies must be crates of the workspace.
fn allows(rule: &Rule, dependency: &Dependency) -> bool {
    let Dependency { name, kind, optional, path } = dependency;
    let is_in = |list: &[&str]| list.contains(&&**name);
    match (path, kind.as_deref()) {
        (Some(_), Some("dev")) => rule.own_for_tests.is_none_or(is_in),
        (Some(_), _) => is_in(rule.own) || *optional && is_in(rule.by_feature),
        (None, Some("dev")) => true,
        (None, _) => rule.foreign.is_none_or(is_in),
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
