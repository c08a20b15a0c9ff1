//! How a worker may spell a file's name, and what comes of a name that is no good.

use crate::support::{Answer, Folder, Stage};
use std::path::Path;

#[test]
fn a_path_as_it_is_and_percent_encoded() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    for (file, spelled) in [
        ("plain.txt", "plain.txt"),
        ("a b.txt", "a b.txt"),
        ("c d.txt", "c%20d.txt"),
        ("grüße.txt", "grüße.txt"),
        ("Größe.txt", "Gr%C3%B6%c3%9fe.txt"),
        ("日本.txt", "日本.txt"),
        ("100%.txt", "100%.txt"),
        ("50%25.txt", "50%2525.txt"),
        ("60%.txt", "60%25.txt"),
        ("%41.txt", "%41.txt"),
        ("q?x=1#f.txt", "q?x=1#f.txt"),
        ("plus+.txt", "plus+.txt"),
        ("sub/deep.txt", "sub/deep.txt"),
        ("sub/../dotted.txt", "sub/../dotted.txt"),
        ("quote'\".txt", "quote'\".txt"),
    ] {
        folder.write(file, format!("content of {file}"));
        stage.script("/a", [Answer::file(&folder.at(spelled), &[])]);
        let response = stage.get("/a");
        assert_eq!((response.status, response.text()), (200, format!("content of {file}")), "{spelled}");
    }
}

#[test]
fn a_name_that_is_there_as_it_stands_is_not_decoded() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    folder.write("a%20b.txt", "literal");
    folder.write("a b.txt", "decoded");
    stage.script("/a", [Answer::file(&folder.at("a%20b.txt"), &[])]);
    assert_eq!(stage.get("/a").text(), "literal");
}

#[test]
fn what_is_missing_is_404_and_what_is_no_path_500() {
    let folder = Folder::new();
    folder.write("file", "content");
    let long = "x".repeat(300);
    let mut stage = Stage::new();
    for (name, status) in [
        (folder.at("missing.txt"), 404),
        (folder.at("missing/missing.txt"), 404),
        (folder.at("file/below.txt"), 404),
        (folder.at(&long), 404),
        (folder.at("file/"), 404),
        ("relative.txt".to_owned(), 500),
        ("./relative.txt".to_owned(), 500),
        ("~/relative.txt".to_owned(), 500),
        (format!("file://{}", folder.at("file")), 500),
        (String::new(), 500),
    ] {
        refused(&mut stage, &name, status);
    }
}

#[test]
fn what_may_not_be_read_is_500() {
    let folder = Folder::new();
    let path = folder.write("secret.txt", "nobody may read this");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::set_permissions(&path, mode).unwrap();
    // Nobody keeps root from reading, unless it has given up the power to.
    let privileged = std::fs::read(&path).is_ok();
    let drop: &[&str] = &["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let mut stage = Stage::with(|thrust| if privileged { thrust.wrapper(drop) } else { thrust });
    refused(&mut stage, &path, 500);
}

/// Asks for a file that is not sent: the operator is told why, the client only that it is so.
#[track_caller]
pub fn refused(stage: &mut Stage, name: &str, status: u16) {
    let fields = ["Cache-Control: public, max-age=60", "ETag: \"own\"", "X-Own: 1", "Set-Cookie: a=b"];
    for fields in [&fields[..], &[]] {
        stage.script("/refused", [Answer::file(name, fields)]);
        let response = stage.get("/refused");
        assert_eq!(response.status, status, "{name}: {}", response.text());
        assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
        let told = String::from_utf8_lossy(&response.raw_head).into_owned() + &response.text();
        for secret in ["sendfile", "x-own", "set-cookie", "own body", "/tmp"] {
            assert!(!told.to_lowercase().contains(secret), "{name}: {told}");
        }
        let file = Path::new(name).file_name().map_or("", |file| file.to_str().unwrap());
        assert!(file.len() < 3 || !told.contains(file), "{name}: {told}");
    }
    let shown = if name.is_ascii() && !name.contains(['"', '\\']) { name } else { "" };
    stage.thrust.await_stderr(shown);
    assert!(stage.thrust.stderr().contains("file that cannot be sent"), "{}", stage.thrust.stderr());
}
