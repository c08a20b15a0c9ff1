use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// A folder with these files, each with its own name as content.
fn folder(names: &[&str]) -> (TempDir, PublicFolder) {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join("public").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let public = PublicFolder::new(&folder.path().join("public"));
    (folder, public)
}

/// The name in the folder of what is found.
fn name(public: &PublicFolder, target: &str) -> Option<String> {
    let found = public.find(&plain(target)?)?;
    let name = found.file.named().path.strip_prefix(&public.folder[0]).unwrap();
    Some(name.to_str().unwrap().to_owned())
}

#[test]
fn what_a_target_may_stand_for() {
    for (target, expected) in [
        ("/", &["index.html"][..]),
        ("//", &["index.html"]),
        ("/?a=/b", &["index.html"]),
        ("/app.js", &["app.js"]),
        ("/app.js?v=1", &["app.js"]),
        ("/app.js/", &["app.js"]),
        ("/APP.JS", &["APP.JS"]),
        ("//a///b.css", &["a/b.css"]),
        ("/about", &["about", "about.html", "about/index.html"]),
        ("/about/", &["about", "about.html", "about/index.html"]),
        ("/about.html", &["about.html"]),
        ("/v1.2", &["v1.2", "v1.2.html", "v1.2/index.html"]),
        ("/a%20b%C3%A4.txt", &["a bä.txt"]),
        ("/a+b.txt", &["a+b.txt"]),
        // As Rails does, a slash is a slash however it is written.
        ("/a%2Fb.txt", &["a/b.txt"]),
        ("/100%", &["100%", "100%.html", "100%/index.html"]),
        ("/.well-known/security.txt", &[".well-known/security.txt"]),
        ("/...", &[]),
        ("/a/../b.txt", &[]),
        ("/../a.txt", &[]),
        ("/%2e%2e/a.txt", &[]),
        ("/..%2fa.txt", &[]),
        ("/%2e%2e%2fa.txt", &[]),
        ("/./a.txt", &[]),
        ("/.env", &[]),
        ("/%2eenv", &[]),
        ("/.git/config", &[]),
        ("/a/.git/config", &[]),
        ("/a/.well-known/b.txt", &[]),
        ("/.well-known/.env", &[]),
        ("/a%00.txt", &[]),
        ("/%ff.txt", &[]),
        ("*", &[]),
        ("", &[]),
        ("a.txt", &[]),
        ("http://localhost/a.txt", &[]),
    ] {
        let found: Vec<_> = plain(target).into_iter().flat_map(|path| candidates(&path)).flatten().collect();
        assert_eq!(found, expected, "{target}");
    }
    // Twice encoded is decoded once: a name that is not there.
    assert_eq!(plain("/%252e%252e/a.txt").as_deref(), Some("/%2e%2e/a.txt"));
}

#[test]
fn all_spellings_of_a_path_are_one() {
    for target in ["/a/b.css", "//a///b.css", "/a/b.css/", "/%61/b%2ecss", "/a%2Fb.css?v=1", "/a/b.css?/../"]
    {
        assert_eq!(plain(target).as_deref(), Some("/a/b.css"), "{target}");
    }
    assert_eq!(plain("/.well-known//a").as_deref(), Some("/.well-known/a"));
}

#[test]
fn files_pages_and_indexes() {
    let (_kept, public) = folder(&[
        "index.html",
        "about.html",
        "blog/index.html",
        "blog/one.html",
        "both.html",
        "both/index.html",
        "plain",
        "plain.html",
        "a b.txt",
    ]);
    for (target, expected) in [
        ("/", Some("index.html")),
        ("/index", Some("index.html")),
        ("/about", Some("about.html")),
        ("/about/", Some("about.html")),
        ("/blog", Some("blog/index.html")),
        ("/blog/one?page=2", Some("blog/one.html")),
        ("/both", Some("both.html")),
        ("/plain", Some("plain")),
        ("/a%20b.txt", Some("a b.txt")),
        ("/blog/two", None),
        ("/about.css", None),
        ("/about.html.html", None),
        ("/about/index", None),
    ] {
        assert_eq!(name(&public, target).as_deref(), expected, "{target}");
    }
}

#[test]
fn types() {
    let (_kept, public) = folder(&["app.js", "LICENSE", "about.html", "data.unheard"]);
    let kind = |target| public.find(target).unwrap().kind;
    assert_eq!(kind("/app.js"), "text/javascript; charset=utf-8");
    assert_eq!(kind("/about"), "text/html; charset=utf-8");
    assert_eq!(kind("/LICENSE"), "text/plain");
    assert_eq!(kind("/data.unheard"), "text/plain");
}

#[test]
fn encoded_siblings() {
    let (kept, public) = folder(&[
        "a.css",
        "a.css.br",
        "a.css.gz",
        "b.css",
        "b.css.zst",
        "about.html",
        "about.html.gz",
        "c.css",
        "d.css.gz",
    ]);
    fs::create_dir(kept.path().join("public/c.css.gz")).unwrap();
    fs::write(kept.path().join("secret"), "secret").unwrap();
    symlink("../secret", kept.path().join("public/c.css.br")).unwrap();
    let siblings = |target| {
        public.find(target).unwrap().siblings.map(|sibling| {
            sibling.map(|file| file.named().path.extension().unwrap().to_str().unwrap().to_owned())
        })
    };
    let some = |extension: &str| Some(extension.to_owned());
    assert_eq!(siblings("/a.css"), [None, some("br"), some("gz")]);
    assert_eq!(siblings("/b.css"), [some("zst"), None, None]);
    assert_eq!(siblings("/about"), [None, None, some("gz")]);
    // A folder is none, nor is what a link fetches from outside.
    assert_eq!(siblings("/c.css"), [None, None, None]);
    assert!(public.find("/d.css").is_none());
}

#[test]
fn nothing_from_outside() {
    let (kept, public) = folder(&["in/file.txt"]);
    fs::write(kept.path().join("secret.txt"), "secret").unwrap();
    symlink("../secret.txt", kept.path().join("public/out.txt")).unwrap();
    symlink("..", kept.path().join("public/up")).unwrap();
    symlink("in", kept.path().join("public/within")).unwrap();
    symlink("/proc/self/environ", kept.path().join("public/environ.txt")).unwrap();
    for target in [
        "/out.txt",
        "/up/secret.txt",
        "/environ.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2Fsecret.txt",
        "/in/../../secret.txt",
        "/%252e%252e/secret.txt",
        "/in/file.txt%00.png",
    ] {
        assert_eq!(name(&public, target), None, "{target}");
    }
    assert_eq!(name(&public, "/within/file.txt").as_deref(), Some("within/file.txt"));
}

#[test]
fn dot_files_are_not_there() {
    let (_kept, public) = folder(&[".env", ".git/config", "a/.htpasswd", ".well-known/security.txt"]);
    for target in ["/.env", "/.git/config", "/a/.htpasswd", "/%2egit/config"] {
        assert_eq!(name(&public, target), None, "{target}");
    }
    assert!(name(&public, "/.well-known/security.txt").is_some());
}

#[test]
fn a_folder_that_comes_later() {
    let (kept, _) = folder(&["a.txt"]);
    let public = PublicFolder::new(&kept.path().join("later"));
    assert!(public.find("/a.txt").is_none());
    symlink("public", kept.path().join("later")).unwrap();
    assert!(public.find("/a.txt").is_some());
}

/// Whoever may read everything sees it all the same.
#[test]
fn what_cannot_be_read_is_left_to_the_worker() {
    let (kept, public) = folder(&["a.txt", "b.txt"]);
    let path = kept.path().join("public/a.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    assert_eq!(public.find("/a.txt").is_some(), fs::File::open(&path).is_ok());
    assert!(public.find("/b.txt").is_some());
}
