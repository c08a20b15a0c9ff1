use super::*;
use rustix::{
    fs::{mknodat, renameat},
    io::pread,
};
use std::{
    os::unix::{fs::symlink, net::UnixListener},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};
use tempfile::TempDir;

/// `inside/`, the root, with `file` and `folder/file`; `outside/file` beside it.
struct Stage {
    folder: TempDir,
    roots: [PathBuf; 1],
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("inside/folder")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        for name in ["inside/file", "inside/folder/file", "outside/file"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let stage = Self { roots: [folder.path().join("inside")], folder };
        // Then its file system is known, and what may be is opened at once.
        open(&stage.path("inside/file"), &stage.roots).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is read, with the root and without; at once, too, where that can be.
    fn both(&self, name: &str) -> [Result<String, OpenError>; 2] {
        let path = self.path(name);
        [&self.roots[..], &[]].map(|roots| {
            let opened = open(&path, roots).map(|file| text(&file));
            if let Some(cached) = open_cached(&path, roots) {
                assert_eq!(Some(&text(&cached)), opened.as_ref().ok(), "{name}");
            }
            opened
        })
    }
}

/// Whether anything can be opened at once here: not on older kernels, in all sandboxes and from all file systems.
fn can_open_at_once(stage: &Stage) -> bool {
    let can = is_cached(&stage.path("inside/file"), &stage.roots);
    if !can {
        eprintln!("openat2 with RESOLVE_CACHED, or a local file system, is not to be had: not tested");
    }
    can
}

/// Whether it can be opened at once behind the first time, when a link is to note that it was read: not each time, since whoever
/// renames another file may be in the way.
fn is_cached(path: &Path, roots: &[PathBuf]) -> bool {
    let _ = open(path, roots);
    (0..1000).any(|_| open_cached(path, roots).is_some())
}

fn text(file: &OpenFile) -> String {
    let mut bytes = [0; 64];
    let length = pread(file, &mut bytes, 0).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn is_not_regular(path: &str) {
    let opened = open(Path::new(path), &[]);
    assert!(matches!(opened, Err(OpenError::NotRegular)), "{path}: {opened:?}");
    assert!(open_cached(Path::new(path), &[]).is_none(), "{path}");
}

#[test]
fn a_file_and_what_is_known_of_it() {
    let stage = Stage::new();
    let path = stage.path("inside/file");
    let file = open(&path, &stage.roots).unwrap();
    let known = fs::metadata(&path).unwrap();
    assert_eq!(text(&file), "inside/file");
    assert_eq!((&file.named().path, file.named().length), (&path, 11));
    assert_eq!(file.named().modified, known.modified().unwrap());
    assert_eq!(open(&path, &[]).unwrap().named(), file.named());
    assert_eq!(open(&stage.path("inside/./folder//file"), &stage.roots).unwrap().named().length, 18);
}

#[test]
fn a_changed_file_is_another_one() {
    let stage = Stage::new();
    let path = stage.path("inside/file");
    let named = open(&path, &stage.roots).unwrap().named().clone();
    let reopen = || {
        let cached = open_cached(&path, &stage.roots).map(|file| file.named().clone());
        let opened = open(&path, &stage.roots).map(|file| file.named().clone());
        assert!(cached.is_none() || cached.as_ref() == opened.as_ref().ok());
        opened
    };
    assert_eq!(reopen().unwrap(), named);
    // Same length, same time of change: only the inode tells.
    fs::write(stage.path("inside/new"), "inside/FILE").unwrap();
    fs::File::open(stage.path("inside/new")).unwrap().set_modified(named.modified).unwrap();
    fs::rename(stage.path("inside/new"), &path).unwrap();
    let replaced = reopen().unwrap();
    assert_eq!((replaced.length, replaced.modified), (named.length, named.modified));
    assert_ne!(replaced, named);
    fs::remove_file(&path).unwrap();
    assert!(matches!(reopen(), Err(OpenError::Missing)));
}

#[test]
fn what_is_not_there() {
    let stage = Stage::new();
    symlink("loop", stage.path("inside/loop")).unwrap();
    symlink("nowhere", stage.path("inside/dangling")).unwrap();
    let long = format!("inside/{}", "x".repeat(300));
    let very_long = "inside/".to_owned() + &"x/".repeat(5_000);
    for name in
        ["inside/none", "inside/file/below", "inside/file/", "inside/loop", "inside/dangling", "inside/a\0b"]
    {
        for opened in stage.both(name) {
            assert!(matches!(opened, Err(OpenError::Missing)), "{name}: {opened:?}");
        }
    }
    for name in [&long, &very_long] {
        assert!(stage.both(name).iter().all(|opened| matches!(opened, Err(OpenError::Missing))));
    }
}

#[test]
fn what_the_kernel_has_at_hand_is_opened_at_once() {
    let stage = Stage::new();
    fs::create_dir(stage.path("inside/folder/below")).unwrap();
    symlink("folder", stage.path("inside/link")).unwrap();
    symlink("file", stage.path("inside/folder/last")).unwrap();
    symlink("inside", stage.path("root")).unwrap();
    if !can_open_at_once(&stage) {
        return;
    }
    let (file, roots) = (stage.path("inside/folder/file"), &stage.roots[..]);
    let known = open(&file, roots).unwrap();
    for (name, is_at_once) in [
        ("inside/folder/file", true),
        ("inside/folder/../folder/file", false),
        ("inside/link/file", true),
        ("inside/folder/file/", false),
        ("inside/folder/file/.", false),
        ("inside//folder/file", false),
        ("inside/folder/last", false),
        ("inside/folder/below", false),
        ("inside/none", false),
        ("root/folder/file", false),
    ] {
        assert_eq!(is_cached(&stage.path(name), roots), is_at_once, "{name}");
    }
    assert!(is_cached(&stage.path("root/folder/file"), &[stage.path("none"), stage.path("root")]));
    assert!(is_cached(&stage.path("root/folder/file"), &[]));
    let inside = PathBuf::from(format!("{}/", stage.roots[0].display()));
    let cached = (0..1000).find_map(|_| open_cached(&file, std::slice::from_ref(&inside))).unwrap();
    assert_eq!((cached.named(), text(&cached)), (known.named(), text(&known)));
    assert_eq!(cached.named().path, file);
}

#[test]
fn a_relative_path() {
    for path in ["", "file", "./file", "../file", "Cargo.toml"] {
        assert!(matches!(open(Path::new(path), &[]), Err(OpenError::Relative)));
        assert!(open_cached(Path::new(path), &[]).is_none());
    }
}

#[test]
fn traversal_is_confined() {
    let stage = Stage::new();
    for name in ["inside/../outside/file", "inside/folder/../../outside/file", "outside/file"] {
        let [confined, free] = stage.both(name);
        assert!(matches!(confined, Err(OpenError::Outside)), "{confined:?}");
        assert_eq!(free.unwrap(), "outside/file");
    }
    let [confined, _] = stage.both("outside/../inside/file");
    assert_eq!(confined.unwrap(), "inside/file");
}

#[test]
fn a_root_is_no_prefix_of_names() {
    let stage = Stage::new();
    fs::create_dir(stage.path("inside-too")).unwrap();
    fs::write(stage.path("inside-too/file"), "").unwrap();
    assert!(matches!(stage.both("inside-too/file")[0], Err(OpenError::Outside)));
}

#[test]
fn a_link_out_and_a_link_in() {
    let stage = Stage::new();
    symlink("../outside/file", stage.path("inside/out")).unwrap();
    symlink("../outside", stage.path("inside/folder-out")).unwrap();
    symlink(stage.path("inside/folder"), stage.path("inside/in")).unwrap();
    symlink(stage.path("inside/file"), stage.path("outside/in")).unwrap();
    for name in ["inside/out", "inside/folder-out/file"] {
        let [confined, free] = stage.both(name);
        assert!(matches!(confined, Err(OpenError::Outside)), "{confined:?}");
        assert_eq!(free.unwrap(), "outside/file");
    }
    assert_eq!(stage.both("inside/in/file")[0].as_ref().unwrap(), "inside/folder/file");
    assert_eq!(stage.both("outside/in")[0].as_ref().unwrap(), "inside/file");
}

#[test]
fn roots_may_be_links_and_may_come_later() {
    let stage = Stage::new();
    let roots = [stage.path("later"), stage.path("link")];
    let path = stage.path("inside/file");
    assert!(matches!(open(&path, &roots), Err(OpenError::Outside)));
    symlink("inside", stage.path("link")).unwrap();
    assert_eq!(text(&open(&path, &roots).unwrap()), "inside/file");
    assert_eq!(text(&open(&stage.path("link/file"), &roots).unwrap()), "inside/file");
    assert!(matches!(open(&stage.path("outside/file"), &roots), Err(OpenError::Outside)));
}

/// The same between the two steps of opening, where no luck is needed.
#[test]
fn what_becomes_a_link_behind_the_check_is_not_followed() {
    for (replaced, target) in [("inside/folder", "../outside"), ("inside/folder/file", "../../outside/file")]
    {
        let stage = Stage::new();
        let path = stage.path("inside/folder/file");
        let resolved = Resolved::new(&path, &stage.roots).unwrap();
        assert_eq!(text(&resolved.open(&path).unwrap()), "inside/folder/file");
        fs::rename(stage.path(replaced), stage.path("moved")).unwrap();
        symlink(target, stage.path(replaced)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "outside/file");
        let opened = resolved.open(&path);
        assert!(matches!(opened, Err(OpenError::Missing)), "{opened:?}");
        assert!(matches!(open(&path, &stage.roots), Err(OpenError::Outside)));
    }
}

/// The attack that checking a path before it is opened cannot withstand.
#[test]
fn a_link_that_is_swapped_while_opening_never_leads_out() {
    let stage = Stage::new();
    for (name, target) in [("in", "folder"), ("out", "../outside")] {
        symlink(target, stage.path(&format!("inside/{name}"))).unwrap();
    }
    let swapped = stage.path("inside/swapped");
    let is_done = AtomicBool::new(false);
    let (mut inside, mut refused, mut at_once) = (0, 0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Relaxed) {
                // A real folder too, and a file in a link's place.
                for name in ["in", "out"] {
                    let new = stage.path("inside/new");
                    symlink(fs::read_link(stage.path(&format!("inside/{name}"))).unwrap(), &new).unwrap();
                    renameat(CWD, &new, CWD, &swapped).unwrap();
                }
                fs::remove_file(&swapped).unwrap();
                fs::rename(stage.path("inside/folder"), &swapped).unwrap();
                fs::rename(&swapped, stage.path("inside/folder")).unwrap();
            }
        });
        for turn in 0..20_000 {
            let path = swapped.join("file");
            let cached = if turn % 2 == 0 { open_cached(&path, &stage.roots) } else { None };
            at_once += usize::from(cached.is_some());
            match cached.map_or_else(|| open(&path, &stage.roots), Ok) {
                Ok(file) => {
                    let text = text(&file);
                    if text != "inside/folder/file" {
                        is_done.store(true, Relaxed);
                    }
                    assert_eq!(text, "inside/folder/file");
                    inside += 1;
                }
                Err(OpenError::Outside | OpenError::Missing) => refused += 1,
                Err(error) => {
                    is_done.store(true, Relaxed);
                    panic!("{error}");
                }
            }
        }
        is_done.store(true, Relaxed);
    });
    let at_once = at_once > 0 || !can_open_at_once(&stage);
    assert!(inside > 0 && refused > 0 && at_once, "{inside} {refused} {at_once}");
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let stage = Stage::new();
    mknodat(CWD, stage.path("inside/fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(stage.path("inside/socket")).unwrap();
    symlink("fifo", stage.path("inside/link")).unwrap();
    symlink("/dev/zero", stage.path("inside/zero")).unwrap();
    for name in ["inside/fifo", "inside/socket", "inside/folder", "inside/link", "inside"] {
        for opened in stage.both(name) {
            assert!(matches!(opened, Err(OpenError::NotRegular)), "{name}: {opened:?}");
        }
    }
    assert!(matches!(stage.both("inside/zero"), [Err(OpenError::Outside), Err(OpenError::NotRegular)]));
    for path in ["/dev/zero", "/dev/null", "/dev/stdin", "/", "/dev", "/tmp/.."] {
        is_not_regular(path);
    }
}

/// Nobody writes to it: an `open` that waits would wait for ever.
#[test]
fn a_fifo_that_takes_a_files_place_is_not_waited_for() {
    let stage = Stage::new();
    mknodat(CWD, stage.path("inside/fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let fifo = openat(CWD, stage.path("inside/fifo"), FILE, Mode::empty()).unwrap();
    assert_eq!(FileType::from_raw_mode(fstat(&fifo).unwrap().st_mode), FileType::Fifo);
}

#[test]
fn the_kernels_files_are_refused() {
    let stage = Stage::new();
    let own = std::process::id();
    let file = fs::File::open(stage.path("outside/file")).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    for path in [
        "/proc/self/environ".to_owned(),
        format!("/proc/{own}/environ"),
        "/proc//self/./environ".to_owned(),
        "/tmp/../proc/self/environ".to_owned(),
        "/proc/cpuinfo".to_owned(),
        "/proc/self/root/etc/passwd".to_owned(),
        "/proc/self/cwd/Cargo.toml".to_owned(),
        format!("/proc/self/fd/{descriptor}"),
        "/sys/kernel/mm/transparent_hugepage/enabled".to_owned(),
    ] {
        is_not_regular(&path);
    }
    symlink("/proc/self/environ", stage.path("inside/environ")).unwrap();
    assert!(matches!(stage.both("inside/environ"), [Err(OpenError::NotRegular), Err(OpenError::NotRegular)]));
}

/// Reached by a link, they are what they say in words, which is a name like any other.
#[test]
fn a_link_to_a_link_of_procfs_leads_nowhere_else() {
    let stage = Stage::new();
    let file = fs::File::open(stage.path("outside/file")).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    symlink(format!("/proc/self/fd/{descriptor}"), stage.path("inside/link")).unwrap();
    symlink("/proc/self/root", stage.path("inside/root")).unwrap();
    assert!(matches!(stage.both("inside/link")[0], Err(OpenError::Outside)));
    assert!(matches!(stage.both("inside/root/etc/passwd")[0], Err(OpenError::Outside)));
    assert!(!is_cached(
        &stage.path("inside/root").join(stage.path("outside/file").strip_prefix("/").unwrap()),
        &[]
    ));
    // What is deleted but still open is out of reach, though the kernel would follow.
    fs::remove_file(stage.path("outside/file")).unwrap();
    assert!(fs::read(stage.path("inside/link")).is_ok());
    assert!(stage.both("inside/link").iter().all(|opened| matches!(opened, Err(OpenError::Missing))));
}

#[test]
fn procfs_is_known_wherever_it_is_mounted() {
    let proc = openat(CWD, "/proc/self/environ", FILE, Mode::empty()).unwrap();
    let stage = Stage::new();
    let file = openat(CWD, stage.path("inside/file"), FILE, Mode::empty()).unwrap();
    let is_no_disk = |file| NO_DISK.contains(&file_system(file).unwrap());
    assert!(is_no_disk(&proc) && !is_no_disk(&file));
}

#[test]
fn errors_of_the_system() {
    for (error, is_expected) in [
        (Errno::ACCESS, (|error| matches!(error, OpenError::Denied)) as fn(OpenError) -> bool),
        (Errno::PERM, |error| matches!(error, OpenError::Denied)),
        (Errno::IO, |error| matches!(error, OpenError::Failed(_))),
        (Errno::MFILE, |error| matches!(error, OpenError::Failed(_))),
        (Errno::NXIO, |error| matches!(error, OpenError::NotRegular)),
        (Errno::NAMETOOLONG, |error| matches!(error, OpenError::Missing)),
    ] {
        assert!(is_expected(error.into()) && is_expected(io::Error::from(error).into()), "{error}");
    }
}

#[test]
fn times_before_and_after_1970() {
    assert_eq!(time(1, 5_u32), UNIX_EPOCH + Duration::new(1, 5));
    assert_eq!(time(-1, 999_999_999_u32), UNIX_EPOCH - Duration::from_nanos(1));
}
