//! What a release promises: the crate is whole, and its metadata is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{house, printed};

fn manifest() -> toml::Table {
    toml::from_str(&fs::read_to_string(house().join("Cargo.toml")).unwrap()).unwrap()
}

/// Every file that the code includes, and all that a reader of the crate needs.
#[test]
fn the_crate_has_all_that_it_needs() {
    let listed =
        printed(Command::new("cargo").current_dir(house()).args(["package", "--list", "--allow-dirty", "--offline"]));
    let files: BTreeSet<_> = listed.lines().collect();
    for file in [
        "Cargo.lock",
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "config/sweepd.toml",
        "debian/build",
    ] {
        assert!(files.contains(file), "{file} is missing");
    }
    assert!(files.iter().filter(|file| file.starts_with("src/")).count() > 150);
    assert!(files.iter().any(|file| file.starts_with("migrations/postgres/")));
    let strange = files.iter().find(|file| ["fuzz/", ".ci/", "target/"].iter().any(|folder| file.starts_with(folder)));
    assert_eq!(strange, None);
}

/// No dependency needs a newer compiler than is stated, and one of them needs just that.
#[test]
fn the_stated_compiler_is_the_oldest_that_all_dependencies_allow() {
    let stated = manifest()["package"]["rust-version"].as_str().unwrap().to_owned();
    let metadata = Command::new("cargo")
        .current_dir(house())
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let newest = packages
        .iter()
        .filter(|package| package["name"] != "sweepd")
        .filter_map(|package| Some((minor(package["rust_version"].as_str()?), package["name"].as_str()?)))
        .max()
        .unwrap();
    assert!(newest.0 <= minor(&stated), "{newest:?} needs a newer compiler than {stated}");
}

/// The version is the same wherever it is written.
#[test]
fn the_package_and_the_changelog_have_the_version_of_the_crate() {
    let version = manifest()["package"]["version"].as_str().unwrap().to_owned();
    let debian = fs::read_to_string(house().join("debian/changelog")).unwrap();
    assert!(debian.starts_with(&format!("sweepd ({version}-")), "{debian}");
    let changelog = fs::read_to_string(house().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("## {version}")), "{changelog}");
}

/// What is built from the sources and shown of it names its version, too.
#[test]
fn every_file_that_names_a_version_names_this_one() {
    let version = manifest()["package"]["version"].as_str().unwrap().to_owned();
    let mut files = vec![house().join("Dockerfile"), house().join("README.md")];
    for folder in ["deploy", "docs"] {
        files_of(&house().join(folder), &mut files);
    }
    let mut count = 0;
    for file in files {
        // A picture is no text.
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        for named in versions(&text) {
            assert_eq!(named, version, "{}; RELEASING.md, step 1", file.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

fn files_of(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_of(&path, files) } else { files.push(path) }
    }
}

/// Those that stand behind the program's name, or behind that of an image's label.
fn versions(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("sweepd").skip(1).chain(text.split("image.version").skip(1));
    behind.filter_map(|rest| {
        let rest = rest.get(1..)?.trim_start_matches(['v', '"']);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let version = rest.get(..end)?;
        (version.split('.').count() == 3 && !version.starts_with('.')).then_some(version)
    })
}
