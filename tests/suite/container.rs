//! The image, and the files of Compose and Kubernetes: what they say, and what linters and schemas say of them.

mod rootfs;

use std::path::{Path, PathBuf};
use std::process::Command;

use sweepd::config::{Config, Environment};

use crate::process::{Process, sweepd};
use crate::pypi;
use crate::stage::LIMIT;

const DOCKERFILE: &str = include_str!("../../Dockerfile");
const CONFIG: &str = include_str!("../../deploy/kubernetes/config.yaml");

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn kubernetes() -> Vec<PathBuf> {
    let files = std::fs::read_dir(at("deploy/kubernetes")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// The instructions of the last stage, which is the image: each with its lines put together.
fn image() -> Vec<(String, String)> {
    let lines = DOCKERFILE.lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let all: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let last = all.iter().rposition(|(name, _)| *name == "FROM").expect("a stage");
    all[last..].iter().map(|(name, rest)| ((*name).to_owned(), rest.trim().to_owned())).collect()
}

/// What an instruction of the image says.
fn instruction(name: &str) -> String {
    image().into_iter().rfind(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// The words of an instruction that calls a program without a shell.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_image_is_the_program_and_needs_no_shell_and_no_root() {
    assert_eq!(instruction("FROM"), "scratch");
    assert_eq!(instruction("USER"), "65532:65532");
    assert_eq!(instruction("STOPSIGNAL"), "SIGTERM");
    assert_eq!(words(&instruction("ENTRYPOINT")), ["/usr/bin/sweepd"]);
    assert_eq!(words(&instruction("CMD")), ["run"]);
    assert!(image().iter().all(|(name, _)| name != "RUN"), "there is no shell to run anything with");
    let version = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(instruction("LABEL").contains(&version), "{}", instruction("LABEL"));
}

#[test]
fn its_health_check_is_one_that_the_program_knows() {
    let check = instruction("HEALTHCHECK");
    let check = words(check.split_once("CMD").expect("a command").1.trim());
    assert_eq!(check[0], words(&instruction("ENTRYPOINT"))[0]);
    let mut command = sweepd();
    command.args(&check[1..]);
    let mut process = Process::spawn(command);
    assert_eq!(process.exit_code(LIMIT), 0, "HTTP is off: {}", process.output());
}

#[test]
fn every_file_names_the_image_of_this_version() {
    let image = format!("image: sweepd:{}\n", env!("CARGO_PKG_VERSION"));
    for name in ["compose.yaml", "kubernetes/sidecar.yaml", "kubernetes/deployment.yaml", "kubernetes/cronjob.yaml"] {
        let text = std::fs::read_to_string(at("deploy").join(name)).unwrap();
        assert_eq!(text.matches("image: sweepd:").count(), 1, "{name}");
        assert!(text.contains(&image), "{name}");
    }
}

/// As they are in the containers, where the secrets lie elsewhere.
#[test]
fn the_configurations_load() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("database-url"), "postgresql://app@localhost/app").unwrap();
    std::fs::write(directory.path().join("cron-secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let here = |text: &str, from: &str| text.replace(from, directory.path().to_str().unwrap());

    let block = CONFIG.split("sweepd.toml: |\n").nth(1).unwrap().split("---").next().unwrap();
    let text = here(&block.lines().map(str::trim_start).collect::<Vec<_>>().join("\n"), "/run/secrets/sweepd");
    let of_pods = [("SWEEPD_HTTP__LISTEN", "0.0.0.0:8787"), ("SWEEPD_PORT_8787_TCP", "tcp://10.0.0.7:8787")];
    let config = Config::from_text(Path::new("config.yaml"), &text, &of_pods.into_iter().collect());
    assert!(config.unwrap_or_else(|errors| panic!("{errors}")).http.is_some());
    // The Secret has to be filled in: nobody starts it with a secret that all can read here.
    let shipped = CONFIG.lines().find_map(|line| line.trim().strip_prefix("cron-secret: ")).expect("a secret");
    std::fs::write(directory.path().join("cron-secret"), shipped.trim_matches('"')).unwrap();
    assert!(Config::from_text(Path::new("config.yaml"), &text, &of_pods.into_iter().collect()).is_err(), "{shipped}");
    std::fs::write(directory.path().join("cron-secret"), "0123456789abcdef0123456789abcdef").unwrap();

    let compose = std::fs::read_to_string(at("deploy/compose.yaml")).unwrap();
    let compose = here(&compose, "/run/secrets");
    let variables = compose.lines().filter_map(|line| line.trim().split_once(": "));
    let environment: Environment = variables.filter(|(name, _)| name.starts_with("SWEEPD_")).collect();
    let config = Config::load(None, &environment, directory.path()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.http.is_some(), config.jobs.len(), config.guessed), (true, 1, false));
}

/// What a linter or a schema complains about.
fn complaints(program: &str, arguments: &[&str], files: &[PathBuf]) -> Option<Result<String, String>> {
    let program = pypi::programs("lint")?.join(program);
    Some(pypi::output(Command::new(program).args(arguments).args(files)))
}

#[test]
fn a_linter_has_nothing_against_the_dockerfile() {
    let Some(found) = complaints("hadolint", &["--no-color"], &[at("Dockerfile")]) else { return };
    assert_eq!(found, Ok(String::new()));
}

#[test]
fn compose_and_kubernetes_know_every_key() {
    let schema = ["--builtin-schema", "vendor.compose-spec"];
    let Some(found) = complaints("check-jsonschema", &schema, &[at("deploy/compose.yaml")]) else { return };
    assert!(found.is_ok(), "{found:?}");
    let found = complaints("kubernetes-validate", &["--strict"], &kubernetes()).expect("it is installed");
    assert!(found.as_ref().is_ok_and(|said| said.matches("passed for resource").count() == 7), "{found:?}");
}

/// The rules by which a namespace that is `restricted` lets pods in.
#[test]
fn pods_ask_for_no_privileges() {
    for file in kubernetes() {
        let text = std::fs::read_to_string(&file).unwrap();
        let pods = text.matches("template:\n").count().min(1);
        let containers = text.matches(" image: ").count();
        for (times, line) in [
            (pods, "automountServiceAccountToken: false"),
            (pods, "seccompProfile: { type: RuntimeDefault }"),
            (containers, "readOnlyRootFilesystem: true"),
            (containers, "allowPrivilegeEscalation: false"),
            (containers, "capabilities: { drop: [ALL] }"),
            (containers, "limits: { memory: "),
        ] {
            assert_eq!(text.matches(line).count(), times, "{}: {line}", file.display());
        }
        assert!(pods == 0 || text.contains("runAsNonRoot: true"), "{}", file.display());
        let asks = |line: &&str| line.contains("/readyz") && !line.trim_start().starts_with('#');
        assert_eq!(text.lines().find(asks), None, "{}: it is for alarms, not for probes", file.display());
    }
}
