//! Files that a page tells its reader to write.

use crate::{page::root, session::Session, settings};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// The keys of Kamal 2 (2.0 to 2.12) that pages use; `*` is any name. Kamal refuses those it does not know.
const KAMAL: [&str; 20] = [
    "service",
    "image",
    "servers.web",
    "servers.web.hosts",
    "servers.web.options.*",
    "registry.username",
    "registry.password",
    "builder.arch",
    "env.clear.*",
    "env.secret",
    "volumes",
    "asset_path",
    "proxy.host",
    "proxy.app_port",
    "proxy.ssl",
    "proxy.forward_headers",
    "proxy.response_timeout",
    "proxy.healthcheck.path",
    "proxy.buffering.requests",
    "proxy.buffering.responses",
];

/// Writes the file, and the folders above it.
pub fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Its syntax.
pub fn check(place: &str, language: &str, file: &str, session: &mut Session) {
    let checker = match language {
        "ruby" => format!("ruby -c {file}"),
        "yaml" => format!("ruby -ryaml -rjson -e 'puts JSON.dump(YAML.load_file(ARGV[0]))' {file}"),
        "python" => format!("python3 -m py_compile {file}"),
        "php" => format!("php -l {file}"),
        "go" => format!("gofmt -l {file}"),
        "html" => return, // browsers take anything
        _ => panic!("{place}: nobody knows how to check {language}"),
    };
    let checked = session.run(&checker);
    assert_eq!(checked.code, 0, "{place}: {}", checked.output);
    if file == "config/deploy.yml" {
        check_deploy(place, &serde_json::from_str(&checked.output).unwrap());
    }
}

/// No key that Kamal would refuse, and no setting that thrust would.
fn check_deploy(place: &str, deploy: &Value) {
    for key in keys("", deploy) {
        let known = KAMAL.iter().any(|known| match known.strip_suffix('*') {
            Some(family) => key.starts_with(family),
            None => key == *known,
        });
        assert!(known, "{place}: does Kamal know {key}?");
    }
    let Value::Object(clear) = &deploy["env"]["clear"] else { return };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let variables: BTreeMap<_, _> = clear.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    settings::check_environment(place, &variables);
}

/// The paths of all values that are no maps.
fn keys(path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let inner =
                |(key, value)| keys(&format!("{path}{}{key}", if path.is_empty() { "" } else { "." }), value);
            map.iter().flat_map(inner).collect()
        }
        _ => vec![path.to_owned()],
    }
}

/// Its lines are those of the example, which is built by another test. `…` leaves some out.
pub fn check_dockerfile(place: &str, body: &str) {
    let example = fs::read_to_string(root().join("Dockerfile.example")).unwrap();
    let mut rest = example.lines();
    for line in body.lines().filter(|line| !line.is_empty() && !line.contains('…')) {
        assert!(rest.any(|other| other == line), "{place}: Dockerfile.example has no (later) line {line:?}");
    }
}
