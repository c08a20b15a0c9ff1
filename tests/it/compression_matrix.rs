//! What is stored, what the worker gives, the files that it names and those of the public folder, in each encoding and in
//! none, for each kind of request.

use crate::support::{Answer, Coding, Response, Stage, coding::prose};
use std::fs;

const LENGTH: usize = 20_000;
const TAG: &str = "\"v1\"";

/// Where a response comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The cache, where it lies ready in each encoding.
    Cached,
    /// The worker, each time anew.
    Live,
    /// A file that the worker names, each time anew.
    File,
    /// The public folder, in memory.
    Public,
    /// The public folder, too large for memory.
    OnDisk,
}

/// One of them.
struct Scene {
    kind: Kind,
    stage: Stage,
    target: &'static str,
    /// Its entity-tag, as it is and as an encoded form has it.
    tags: [String; 2],
    _folder: tempfile::TempDir,
}

#[test]
fn what_is_stored() {
    Scene::new(Kind::Cached).check();
}

#[test]
fn what_the_worker_gives() {
    Scene::new(Kind::Live).check();
}

#[test]
fn a_file_that_the_worker_names() {
    Scene::new(Kind::File).check();
}

#[test]
fn a_public_file() {
    Scene::new(Kind::Public).check();
}

#[test]
fn a_large_public_file() {
    Scene::new(Kind::OnDisk).check();
}

impl Scene {
    fn new(kind: Kind) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.css");
        fs::write(&file, prose(LENGTH)).unwrap();
        let mut stage = Stage::with(|thrust| match kind {
            Kind::Public => thrust.env("THRUST_PUBLIC_PATH", folder.path()),
            Kind::OnDisk => {
                thrust.env("THRUST_PUBLIC_PATH", folder.path()).env("THRUST_MAX_CACHE_ITEM_SIZE", "10KB")
            }
            _ => thrust,
        });
        let fields =
            ["Content-Type: text/css", "ETag: \"v1\"", "Vary: Accept-Language", "Accept-Ranges: bytes"];
        let with = |more: &[&str], body: &str| Answer::ok(&[&fields[..], more].concat(), body);
        stage.script("/cached", [with(&["Cache-Control: max-age=600"], &prose(LENGTH))]);
        stage.script("/live", [with(&["Cache-Control: private"], &prose(LENGTH))]);
        let named = format!("X-Sendfile: {}", file.display());
        stage.script("/file", [with(&["Cache-Control: private", &named], "")]);
        let target = match kind {
            Kind::Cached => "/cached",
            Kind::Live => "/live",
            Kind::File => "/file",
            Kind::Public | Kind::OnDisk => "/page.css",
        };
        let own = match kind {
            // Made of the file's time and size, it is weak.
            Kind::Public | Kind::OnDisk => stage.get(target).header("etag").unwrap().to_owned(),
            _ => TAG.to_owned(),
        };
        let weak = format!("W/{}", own.trim_start_matches("W/"));
        let mut scene = Scene { kind, stage, target, tags: [own, weak], _folder: folder };
        if scene.lies_ready() {
            Coding::ALL.iter().for_each(|coding| drop(scene.stage.await_form(target, *coding)));
        }
        scene
    }

    fn lies_ready(&self) -> bool {
        matches!(self.kind, Kind::Cached | Kind::Public)
    }

    /// Whether it is thrust that cuts ranges and judges conditions on the body as it is.
    fn is_at_hand(&self) -> bool {
        self.kind != Kind::Live
    }

    fn check(&mut self) {
        for coding in [None, Some(Coding::Zstd), Some(Coding::Brotli), Some(Coding::Gzip)] {
            self.check_whole(coding);
            self.check_head(coding);
            self.check_range(coding);
            self.check_condition(coding);
        }
    }

    #[track_caller]
    fn ask(&mut self, method: &str, coding: Option<Coding>, fields: &[&str]) -> Response {
        let accepted = coding.map_or("Accept-Encoding: identity".to_owned(), Coding::accepted);
        let line = format!("{method} {}", self.target);
        let response = self.stage.ask(&line, &[&[&accepted[..]], fields].concat());
        assert!(response.varies_by_encoding(), "{line} {coding:?} {fields:?}: {:?}", response.all("vary"));
        let from_worker = matches!(self.kind, Kind::Public | Kind::OnDisk);
        assert_ne!(
            response.has_token("vary", "accept-language"),
            from_worker,
            "{line} {coding:?} {fields:?}"
        );
        response
    }

    /// Fields of a 200 that are in an encoding, or are not.
    #[track_caller]
    fn check_fields(&self, response: &Response, coding: Option<Coding>) {
        let what = format!("{:?} {coding:?}", self.kind);
        assert_eq!(response.status, 200, "{what}");
        assert_eq!(response.coding(), coding.map_or("", Coding::name), "{what}");
        assert_eq!(response.header("content-type").map(|kind| &kind[..8]), Some("text/css"), "{what}");
        assert_eq!(response.all("etag"), [&self.tags[usize::from(coding.is_some())]], "{what}");
        let ranges = if coding.is_some() { None } else { Some("bytes") };
        assert_eq!(response.header("accept-ranges"), ranges, "{what}");
    }

    fn check_whole(&mut self, coding: Option<Coding>) {
        let response = self.ask("GET", coding, &[]);
        let what = format!("{:?} {coding:?}", self.kind);
        self.check_fields(&response, coding);
        assert!(response.decoded() == prose(LENGTH).as_bytes(), "{what}");
        assert!(response.body.len() < LENGTH / 2 || coding.is_none(), "{what}: {}", response.body.len());
        let has_length = coding.is_none() || self.lies_ready();
        assert_eq!(response.length(), has_length.then_some(response.body.len()), "{what}");
        assert_ne!(response.has_token("transfer-encoding", "chunked"), has_length, "{what}");
    }

    fn check_head(&mut self, coding: Option<Coding>) {
        let [get, head] = ["GET", "HEAD"].map(|method| self.ask(method, coding, &[]));
        self.check_fields(&head, coding);
        assert!(head.body.is_empty());
        // What may change from one to the next, or does not concern a response without a body (RFC 9110 §9.3.2).
        let passing = ["date", "age", "cache-status", "transfer-encoding"];
        let told = |response: &Response| {
            let names = response.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
            let mut told: Vec<_> = names.filter(|(name, _)| !passing.contains(&name.as_str())).collect();
            told.sort();
            told
        };
        assert_eq!(told(&head), told(&get), "{:?} {coding:?}", self.kind);
    }

    fn check_range(&mut self, coding: Option<Coding>) {
        let response = self.ask("GET", coding, &["Range: bytes=100-299"]);
        if !self.is_at_hand() {
            // The worker has given all of it.
            return self.check_fields(&response, coding);
        }
        let what = format!("{:?} {coding:?}", self.kind);
        assert_eq!((response.status, response.coding()), (206, ""), "{what}");
        assert_eq!(response.header("content-range"), Some("bytes 100-299/20000"), "{what}");
        assert_eq!(
            (response.length(), response.text().as_str()),
            (Some(200), &prose(LENGTH)[100..300]),
            "{what}"
        );
        assert_eq!(response.all("etag"), [&self.tags[0]], "{what}");
        let [beyond, several] = ["bytes=99999-", "bytes=0-9,100-109"]
            .map(|range| self.ask("GET", coding, &[&format!("Range: {range}")]));
        assert_eq!((beyond.status, beyond.coding()), (416, ""), "{what}");
        assert_eq!((several.status, several.coding()), (206, ""), "{what}");
        assert!(several.text().contains(&prose(LENGTH)[100..110]), "{what}");
        // What one part was of in an encoding, another part of the body as it is must not be appended to.
        let weak = format!("If-Range: {}", self.tags[1]);
        let whole = self.ask("GET", coding, &["Range: bytes=100-299", &weak]);
        assert_eq!((whole.status, whole.coding(), whole.body.len()), (200, "", LENGTH), "{what}");
    }

    fn check_condition(&mut self, coding: Option<Coding>) {
        for tag in self.tags.clone() {
            for method in ["GET", "HEAD"] {
                let condition = format!("If-None-Match: \"v0\", {tag}");
                let response = self.ask(method, coding, &[&condition]);
                let what = format!("{:?} {coding:?} {method} {tag}", self.kind);
                if !self.is_at_hand() && coding.is_none() {
                    // The worker has decided.
                    self.check_fields(&response, coding);
                    continue;
                }
                assert_eq!((response.status, response.body.len()), (304, 0), "{what}");
                let found = [response.header("content-encoding"), response.header("content-length")];
                assert_eq!(found, [None, None], "{what}");
                assert_eq!(response.all("etag"), [&self.tags[usize::from(coding.is_some())]], "{what}");
            }
        }
        let changed = self.ask("GET", coding, &["If-None-Match: W/\"v0\""]);
        self.check_fields(&changed, coding);
    }
}
