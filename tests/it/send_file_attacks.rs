//! Names that are meant to get at what must not be sent. Each is answered at once.

use crate::{
    send_file_names::refused,
    support::{Answer, Client, Folder, Stage},
};
use std::{
    fs,
    os::unix::net::UnixListener,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

const SECRET: &str = "the secret";

/// `open/` may be sent from, `closed/` may not.
fn guarded() -> (Folder, Stage) {
    let folder = Folder::new();
    folder.write("open/public.txt", "public");
    folder.write("closed/secret.txt", SECRET);
    folder.write("open-not/secret.txt", SECRET);
    let root = folder.at("open");
    (folder, Stage::with(|thrust| thrust.env("THRUST_SEND_FILE_ROOT", root)))
}

#[test]
fn nothing_outside_of_the_root_by_traversal() {
    let (folder, mut stage) = guarded();
    for (name, status) in [
        ("closed/secret.txt", 404),
        ("open/../closed/secret.txt", 404),
        ("open/./../closed/secret.txt", 404),
        ("open//..//closed/secret.txt", 404),
        ("open/%2e%2e/closed/secret.txt", 404),
        ("open/%2E%2E%2Fclosed%2Fsecret.txt", 404),
        ("open/..%2fclosed/secret.txt", 404),
        ("open/%252e%252e/closed/secret.txt", 404),
        ("open/%252e%252e%252fclosed%252fsecret.txt", 404),
        ("open/..%c0%afclosed/secret.txt", 404),
        ("open/..\\closed\\secret.txt", 404),
        ("open-not/secret.txt", 404),
        ("open%2dnot/secret.txt", 404),
        ("open", 404),
        ("open/", 404),
        ("open/.", 404),
    ] {
        refused(&mut stage, &folder.at(name), status);
    }
    for name in ["open/public.txt", "open/../open/public.txt", "closed/../open/public.txt"] {
        stage.script("/a", [Answer::file(&folder.at(name), &[])]);
        assert_eq!(stage.get("/a").text(), "public", "{name}");
    }
}

#[test]
fn a_nul_ends_no_name() {
    let (folder, mut stage) = guarded();
    for name in ["open/public.txt%00", "open/public.txt%00.png", "%00open/public.txt", "open/public%00.txt"] {
        refused(&mut stage, &folder.at(name), 404);
    }
    // No field may hold one that is not encoded: the worker's response is malformed.
    stage.script("/raw", [Answer::file(&folder.at("open/public.txt\0.png"), &[])]);
    assert_eq!(stage.get("/raw").status, 502);
}

#[test]
fn nothing_outside_of_the_root_by_symbolic_links() {
    let (folder, mut stage) = guarded();
    folder.link("open/file", folder.at("closed/secret.txt"));
    folder.link("open/relative", "../closed/secret.txt");
    folder.link("open/folder", folder.at("closed"));
    folder.link("open/twice", "file");
    folder.link("open/loop", "loop");
    folder.link("open/dangling", "nowhere");
    folder.link("open/inside", "public.txt");
    for name in ["file", "relative", "folder/secret.txt", "twice", "loop", "dangling"] {
        refused(&mut stage, &folder.at(&format!("open/{name}")), 404);
    }
    stage.script("/a", [Answer::file(&folder.at("open/inside"), &[])]);
    assert_eq!(stage.get("/a").text(), "public");
}

#[test]
fn several_roots_and_such_as_are_links() {
    let folder = Folder::new();
    for name in ["one/a", "two/a", "three/a", "real/a"] {
        folder.write(name, name);
    }
    folder.link("linked", "real");
    folder.link("one/over", folder.at("two/a"));
    let roots = ["one", "two", "linked", "missing"].map(|name| folder.at(name)).join(":");
    let mut stage = Stage::with(|thrust| thrust.env("THRUST_SEND_FILE_ROOT", roots));
    for (name, content) in [
        ("one/a", "one/a"),
        ("two/a", "two/a"),
        ("one/over", "two/a"),
        ("linked/a", "real/a"),
        ("real/a", "real/a"),
    ] {
        stage.script("/a", [Answer::file(&folder.at(name), &[])]);
        assert_eq!(stage.get("/a").text(), content, "{name}");
    }
    refused(&mut stage, &folder.at("three/a"), 404);
}

#[test]
fn links_that_are_swapped_while_a_file_is_opened() {
    let (folder, stage) = guarded();
    // What is a folder or a file in one moment is a link to the outside in the next.
    folder.write("open/folder/secret.txt", "public");
    folder.link("open/folder-link", "../closed");
    folder.write("open/file", "public");
    folder.link("open/file-link", "../closed/secret.txt");
    let (over, public) = (AtomicBool::new(false), AtomicUsize::new(0));
    for name in ["open/folder/secret.txt", "open/file"] {
        stage.script(&format!("/{name}"), [Answer::file(&folder.at(name), &[])]);
    }
    let swap = || {
        while !over.load(Ordering::Relaxed) {
            folder.exchange("open/folder", "open/folder-link");
            folder.exchange("open/file", "open/file-link");
        }
    };
    let ask = |target: &str| {
        let mut client = Client::connect(stage.thrust.port());
        for _ in 0..1000 {
            let response = client.get(target);
            match response.status {
                200 => assert_eq!(response.text(), "public"),
                status => assert_eq!((status, response.text().as_str()), (404, "404 Not Found\n")),
            }
            public.fetch_add(usize::from(response.status == 200), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        scope.spawn(swap);
        let clients =
            ["/open/folder/secret.txt", "/open/file"].map(|target| scope.spawn(move || ask(target)));
        let ended = clients.map(|client| client.join());
        over.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
    let public = public.into_inner();
    assert!(public > 0 && public < 2000, "{public} of 2000: nothing was swapped in between");
}

#[test]
fn a_file_that_becomes_something_else_while_it_is_opened() {
    let folder = Folder::new();
    folder.write("real", "public");
    let stage = Stage::new();
    stage.script("/a", [Answer::file(&folder.at("file"), &[])]);
    let over = AtomicBool::new(false);
    let swap = || {
        for number in 0.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let new = match number % 2 {
                0 => folder.put("new", "public"),
                _ => folder.fifo("new"),
            };
            fs::rename(new, folder.at("file")).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(swap);
        let client = scope.spawn(|| {
            let mut client = Client::connect(stage.thrust.port());
            for _ in 0..400 {
                let response = client.get("/a");
                assert!(response.text() == "public" || response.status == 404, "{}", response.status);
            }
        });
        let ended = client.join();
        over.store(true, Ordering::Relaxed);
        ended.unwrap();
    });
}

#[test]
fn what_is_no_file_is_404_at_once() {
    let folder = Folder::new();
    let mut stage = Stage::new();
    let _socket = UnixListener::bind(folder.at("socket")).unwrap();
    folder.fifo("fifo");
    folder.link("fifo-link", "fifo");
    folder.link("zero-link", "/dev/zero");
    fs::create_dir(folder.at("folder")).unwrap();
    let mut names = ["socket", "fifo", "fifo-link", "zero-link", "folder", "folder/", ""]
        .map(|name| folder.at(name))
        .to_vec();
    names.extend(
        [
            "/",
            "/dev/zero",
            "/dev/null",
            "/dev/random",
            "/dev/tty",
            "/dev/stdin",
            "/dev/fd/0",
            "/proc/self/environ",
            "/proc/self/../self/environ",
            "/proc//self/environ",
            "//proc/self/environ",
            "/./proc/self/environ",
            "/%70roc/self/environ",
            "/dev/../proc/self/environ",
            "/proc/self/mem",
            "/proc/self/cmdline",
            "/proc/self/fd/0",
            "/proc/kmsg",
            "/proc/1/environ",
            "/sys/kernel/profiling",
            "/dev/fd/../environ",
        ]
        .map(str::to_owned),
    );
    for name in names.iter().filter(|name| !name.is_empty()) {
        refused(&mut stage, name, 404);
    }
}

#[test]
fn the_links_of_procfs_lead_nowhere() {
    let (folder, mut guarded) = guarded();
    let mut free = Stage::new();
    for below in [&folder.at("open/public.txt")[1..], "etc/passwd"] {
        for link in
            ["/proc/self/root", "/proc/self/cwd/../../../../../..", "/proc/1/root", "/proc/thread-self/root"]
        {
            let name = format!("{link}/{below}");
            refused(&mut guarded, &name, 404);
            refused(&mut free, &name, 404);
        }
    }
    let linked = folder.link("open/root", "/proc/self/root");
    refused(&mut guarded, &format!("{linked}{}", folder.at("closed/secret.txt")), 404);
    assert!(Path::new("/proc/self/root").exists());
}

#[test]
fn a_fifo_holds_nobody_up() {
    let folder = Folder::new();
    let stage = Stage::new();
    stage.script("/fifo", [Answer::file(&folder.fifo("fifo"), &[])]);
    stage.script("/file", [Answer::file(&folder.write("file", "content"), &[])]);
    // More than there are threads that could be blocked.
    let mut clients: Vec<_> = (0..600).map(|_| stage.client()).collect();
    for client in &mut clients {
        client.send_get("/fifo");
    }
    assert_eq!(stage.client().get("/file").text(), "content");
    assert!(clients.iter_mut().all(|client| client.response().status == 404));
}
