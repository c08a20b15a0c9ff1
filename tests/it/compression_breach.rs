//! What an encoded response's length tells of a secret in it: less than it would, or nothing.

use crate::support::{Answer, Coding, Stage, coding::prose, thrust::Builder};
use std::{collections::HashSet, fs};

/// Contents that differ in one place, as pages do that repeat what they were asked, and that are equally long.
const CONTENTS: usize = 40;

/// As many as show whether there is padding at all.
const FEW: usize = 8;

/// What each format adds at most to a padded body whatever its padding: a frame's header in zstd, the end of a byte, one or
/// two, in brotli.
const FORMAT: usize = 8;

/// Where a page comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Worker,
    /// Of a length that nobody has said.
    WorkerInChunks,
    File,
}

fn content(number: usize) -> String {
    format!("<p>You have searched for {number:04}</p>{}", prose(4000))
}

/// The lengths of so many contents in an encoding.
fn lengths(
    count: usize,
    configure: impl FnOnce(Builder) -> Builder,
    from: From,
    coding: Coding,
    control: &str,
) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::with(configure);
    let control = format!("Cache-Control: {control}");
    let fields = ["Content-Type: text/html", &control];
    (0..count)
        .map(|number| {
            let content = content(number);
            let answer = match from {
                From::Worker => Answer::ok(&fields, &content),
                From::WorkerInChunks => Answer::raw(format!(
                    "HTTP/1.1 200 OK\r\n{}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{content}\r\n0\r\n\r\n",
                    fields.join("\r\n"),
                    content.len()
                )),
                From::File => {
                    let file = folder.path().join(number.to_string());
                    fs::write(&file, &content).unwrap();
                    Answer::ok(&[&fields[..], &[&format!("X-Sendfile: {}", file.display())]].concat(), "")
                }
            };
            let target = format!("/{number}");
            stage.script(&target, [answer]);
            let responses =
                [(); 3].map(|()| stage.ask(&format!("GET {target}"), &[&coding.accepted()]));
            let first = &responses[0];
            assert_eq!(first.coding(), coding.name());
            // A tool for each takes its time.
            assert!(number % 8 > 0 || first.decoded() == content.as_bytes(), "{coding:?} {number}");
            // Asking again and again tells nothing new. Where the end comes in a turn of its own, something may have been
            // flushed before it, and the shortest is the one to look at.
            let lengths = responses.iter().map(|response| response.body.len());
            let (least, most) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
            assert!(least == most || from == From::WorkerInChunks, "{coding:?} {from:?} {number}");
            least
        })
        .collect()
}

#[test]
fn contents_of_one_length_have_many() {
    for from in [From::Worker, From::WorkerInChunks, From::File] {
        for coding in Coding::ALL {
            let plain = lengths(
                CONTENTS,
                |thrust| thrust.env("THRUST_COMPRESSION_JITTER", "0"),
                from,
                coding,
                "private",
            );
            for (most, expected) in [(32, 10), (200, 20)] {
                let most_text = most.to_string();
                let padded = lengths(
                    CONTENTS,
                    |thrust| thrust.env("THRUST_COMPRESSION_JITTER", most_text),
                    from,
                    coding,
                    "private",
                );
                let added: HashSet<_> =
                    padded.iter().zip(&plain).map(|(padded, plain)| padded - plain).collect();
                let (least, largest) = (*added.iter().min().unwrap(), *added.iter().max().unwrap());
                let what = format!("{from:?} {coding:?} {most}: {added:?}");
                assert!(largest <= most + FORMAT && largest - least <= most + 1, "{what}");
                // Of 40 draws out of 33 or of 201, fewer are different in less than one of a million runs.
                assert!(added.len() >= expected, "{what}");
                assert!(largest - least > most / 3, "{what}");
            }
        }
    }
}

#[test]
fn what_everybody_gets_has_none() {
    for coding in Coding::ALL {
        let without = lengths(
            FEW,
            |thrust| thrust.env("THRUST_COMPRESSION_JITTER", "0"),
            From::Worker,
            coding,
            "private",
        );
        for (control, is_padded) in [
            ("public, no-cache", false),
            ("s-maxage=0", false),
            ("private", true),
            ("no-store, public", true),
            ("public, private", true),
            // Stored, but made for each request all the same.
            ("no-cache\r\nETag: \"v1\"", true),
            ("max-age=0, must-revalidate\r\nETag: \"v1\"", true),
        ] {
            let found = lengths(FEW, |thrust| thrust, From::Worker, coding, control);
            assert_eq!(found != without, is_padded, "{coding:?} {control}");
        }
    }
}

#[test]
fn what_lies_ready_has_none() {
    let mut padded = Stage::new();
    let mut plain = Stage::with(|thrust| thrust.env("THRUST_COMPRESSION_JITTER", "0"));
    for coding in Coding::ALL {
        for number in 0..10 {
            let target = format!("/{number}/{coding:?}");
            let [one, other] = [&mut padded, &mut plain].map(|stage| {
                let fields = ["Content-Type: text/html", "Cache-Control: max-age=60"];
                stage.script(&target, [Answer::ok(&fields, &content(number))]);
                stage.await_best_form(&target, coding)
            });
            assert!(one.body == other.body, "{coding:?} {number}");
        }
    }
}

const REQUESTS: [&str; 3] = ["Cookie: a=b", "Authorization: Basic YTpi", "X-CSRF-Token: c"];
const RESPONSES: [&[&str]; 6] = [
    &["Set-Cookie: a=b", "Cache-Control: no-cache"],
    &["Cache-Control: private"],
    &["Cache-Control: max-age=60, Private"],
    &["Cache-Control: no-store"],
    &["Vary: Accept, cookie", "Cache-Control: no-cache"],
    // Stored all the same.
    &["Vary: Cookie", "Cache-Control: max-age=60"],
];
const ORDINARY: [&[&str]; 5] = [
    &["Cache-Control: no-cache"],
    &["Cache-Control: public, max-age=60"],
    &["Vary: Accept", "Cache-Control: max-age=60"],
    // What is stored is stored without its cookies.
    &["Set-Cookie: a=b", "Cache-Control: public, max-age=60"],
    &["Set-Cookie: a=b", "Cache-Control: public, s-maxage=60"],
];

/// Whether a worker's body and a file of this response are encoded, and whether it is said that others are; each asked for
/// twice.
fn encoded(stage: &mut Stage, request: &[&str], response: &[&str]) -> Vec<(bool, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.html");
    fs::write(&file, prose(3000)).unwrap();
    let named = format!("X-Sendfile: {}", file.display());
    let fields = [&["Content-Type: text/html"], response].concat();
    stage.script("/a", [Answer::ok(&fields, &prose(3000))]);
    stage.script("/file", [Answer::ok(&[&fields[..], &[&named]].concat(), "")]);
    let request = [&["Accept-Encoding: gzip"], request].concat();
    let mut found = Vec::new();
    for target in ["/a", "/file"] {
        for _ in 0..2 {
            let response = stage.ask(&format!("GET {target}"), &request);
            assert!(response.decoded() == prose(3000).as_bytes());
            found.push((response.coding() == "gzip", response.varies_by_encoding()));
        }
        stage.ask(&format!("DELETE {target}"), &[]);
    }
    found
}

#[test]
fn nothing_that_credentials_have_a_part_in_is_encoded_where_it_is_forbidden() {
    for (name, forbidden) in [
        ("THRUST_COMPRESSION_DISABLE_ON_AUTH", "1"),
        ("THRUSTER_GZIP_COMPRESSION_DISABLE_ON_AUTH", "true"),
        ("THRUST_COMPRESSION_DISABLE_ON_AUTH", "0"),
    ] {
        let mut stage = Stage::with(|thrust| thrust.env(name, forbidden));
        let expected = |is_encoded, varies| [(is_encoded || forbidden == "0", varies || forbidden == "0"); 4];
        for request in REQUESTS {
            for response in ORDINARY {
                assert_eq!(
                    encoded(&mut stage, &[request], response),
                    expected(false, true),
                    "{request} {response:?}"
                );
            }
        }
        for response in RESPONSES {
            assert_eq!(encoded(&mut stage, &[], response), expected(false, false), "{response:?}");
        }
        for response in ORDINARY {
            assert_eq!(encoded(&mut stage, &["X-Other: a"], response), expected(true, true), "{response:?}");
        }
    }
}
