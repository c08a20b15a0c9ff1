//! Takes certificate files anew when they have changed.

use super::{CertStore, Facts, Files, Pair, Reason, Unusable};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

/// How often the files are looked at. Notifications of the kernel's would miss folders that come over a network.
pub const POLL: Duration = Duration::from_secs(5);

/// So many looks a key may not belong to the certificate before anybody hears of it: the other file is on its way.
const DOUBTS: u32 = 3;

/// Two files, and the store that has what was last good in them.
#[derive(Debug)]
pub struct Watch {
    files: Files,
    store: Arc<CertStore>,
    seen: [Option<Stamp>; 2],
    /// How often the pair, as it is, has been found not to belong together; `None` is a pair that need not be read again.
    doubts: Option<u32>,
}

/// Has the files read at once. Clones belong to the same watch.
#[derive(Debug, Clone, Default)]
pub struct Reload(Arc<Notify>);

/// What a look at the files has led to.
#[derive(Debug)]
pub enum Verdict {
    /// They are as they were.
    Unchanged,
    /// A good pair, in use from now on.
    Taken(Facts),
    /// One file only has changed; it will be looked at again.
    Doubtful,
    /// A bad pair: the old one stays.
    Refused(Unusable),
}

/// What tells one version of a file from another: where the path leads to (Kubernetes exchanges a link on the way), and what
/// is there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Watch {
    /// Reads the files for the first time.
    ///
    /// # Errors
    ///
    /// The first fault that is found.
    pub fn open(files: Files) -> Result<(Self, Facts), Unusable> {
        // Before they are read: what changes meanwhile is noticed.
        let seen = stamps(&files);
        let pair = Pair::load(&files)?;
        let store = Arc::new(CertStore::single(pair.certified));
        Ok((Self { files, store, seen, doubts: None }, pair.facts))
    }

    /// What clients are shown.
    pub fn store(&self) -> Arc<CertStore> {
        Arc::clone(&self.store)
    }

    /// Looks at the files this often, and whenever it is asked to; logs what comes of it. Never ends.
    pub async fn run(mut self, reload: Reload, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                () = reload.0.notified() => true,
                _ = ticks.tick() => false,
            };
            // A folder that comes over a network may take its time.
            let look = spawn_blocking(move || {
                let verdict = self.look(asked);
                (self, verdict)
            });
            let Ok((watch, verdict)) = look.await else { return };
            self = watch;
            log(&verdict);
        }
    }

    /// Looks at the files, and reads them where they have changed or `asked` says so.
    pub fn look(&mut self, asked: bool) -> Verdict {
        let now = stamps(&self.files);
        if now != self.seen {
            self.seen = now;
            self.doubts = Some(0);
        }
        if !asked && self.doubts.is_none() {
            return Verdict::Unchanged;
        }
        let unusable = match Pair::load(&self.files) {
            Ok(pair) => {
                self.doubts = None;
                self.store.set_default(pair.certified);
                return Verdict::Taken(pair.facts);
            }
            Err(unusable) => unusable,
        };
        match (&unusable.fault.reason, self.doubts.take()) {
            (Reason::Mismatch, Some(doubts)) if !asked && doubts < DOUBTS => {
                self.doubts = Some(doubts + 1);
                Verdict::Doubtful
            }
            _ => Verdict::Refused(unusable),
        }
    }
}

impl Reload {
    /// Asks for it, and does not wait for it.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

fn stamps(files: &Files) -> [Option<Stamp>; 2] {
    [stamp(&files.certificate), stamp(&files.key)]
}

/// `None` is a file that cannot be looked at, for whatever reason.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    let modified = (file.mtime(), file.mtime_nsec());
    Some(Stamp { device: file.dev(), inode: file.ino(), modified, size: file.len() })
}

fn log(verdict: &Verdict) {
    match verdict {
        Verdict::Unchanged | Verdict::Doubtful => {}
        Verdict::Taken(facts) => {
            tracing::info!(names = facts.names.join(","), "the certificate files were read anew");
            if let Some(untimely) = facts.untimely(SystemTime::now()) {
                tracing::warn!("{untimely}");
            }
        }
        Verdict::Refused(unusable) => {
            tracing::error!(reason = %unusable, "the certificate files cannot be used; the old ones stay in use");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Lookup,
            testing::{Made, Recipe},
        },
        *,
    };
    use std::os::unix::fs::symlink;

    fn made() -> Made {
        Recipe::new(&["a.example"]).make()
    }

    /// Whether this certificate is the one in use.
    fn shows(store: &CertStore, made: &Made) -> bool {
        matches!(store.get(None), Lookup::Found(key) if key.cert[0].as_ref() == made.der)
    }

    #[test]
    fn a_good_pair_is_taken_and_a_bad_one_refused_once() {
        let (folder, one, other) = (tempfile::tempdir().unwrap(), made(), made());
        let (mut watch, facts) = Watch::open(one.write(folder.path())).unwrap();
        assert_eq!(facts.names, ["a.example"]);
        assert!(matches!(watch.look(false), Verdict::Unchanged));
        other.write(folder.path());
        assert!(matches!(watch.look(false), Verdict::Taken(_)));
        assert!(matches!(watch.look(false), Verdict::Unchanged) && shows(&watch.store, &other));
        fs::write(&watch.files.certificate, "nonsense").unwrap();
        assert!(matches!(watch.look(false), Verdict::Refused(_)));
        assert!(matches!(watch.look(false), Verdict::Unchanged) && shows(&watch.store, &other));
        assert!(matches!(watch.look(true), Verdict::Refused(_)), "whoever asks is told again");
        fs::remove_file(&watch.files.certificate).unwrap();
        assert!(matches!(watch.look(false), Verdict::Refused(_)));
        one.write(folder.path());
        assert!(matches!(watch.look(false), Verdict::Taken(_)) && shows(&watch.store, &one));
    }

    #[test]
    fn a_pair_of_which_one_file_has_changed_is_waited_for() {
        let (folder, one, other) = (tempfile::tempdir().unwrap(), made(), made());
        let (mut watch, _) = Watch::open(one.write(folder.path())).unwrap();
        fs::write(&watch.files.certificate, &other.pem).unwrap();
        assert!(matches!(watch.look(false), Verdict::Doubtful) && shows(&watch.store, &one));
        fs::write(&watch.files.key, &other.key_pem).unwrap();
        assert!(matches!(watch.look(false), Verdict::Taken(_)) && shows(&watch.store, &other));
    }

    #[test]
    fn a_pair_that_never_belongs_together_is_an_error_once() {
        let (folder, one, other) = (tempfile::tempdir().unwrap(), made(), made());
        let (mut watch, _) = Watch::open(one.write(folder.path())).unwrap();
        fs::write(&watch.files.certificate, &other.pem).unwrap();
        for _ in 0..DOUBTS {
            assert!(matches!(watch.look(false), Verdict::Doubtful));
        }
        let Verdict::Refused(unusable) = watch.look(false) else { panic!("not refused") };
        assert_eq!((unusable.path, unusable.fault.part), (watch.files.key.clone(), super::super::Part::Key));
        assert!(matches!(watch.look(false), Verdict::Unchanged) && shows(&watch.store, &one));
        fs::write(&watch.files.key, &made().key_pem).unwrap();
        assert!(matches!(watch.look(true), Verdict::Refused(_)), "who asks has put both files there");
    }

    #[test]
    fn links_on_the_way_are_followed() {
        let (folder, one, other) = (tempfile::tempdir().unwrap(), made(), made());
        let at = |name: &str| folder.path().join(name);
        for (name, made) in [("..1", &one), ("..2", &other)] {
            fs::create_dir(at(name)).unwrap();
            made.write(&at(name));
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/cert.pem", at("cert.pem")).unwrap();
        symlink("..data/key.pem", at("key.pem")).unwrap();
        let files = Files { certificate: at("cert.pem"), key: at("key.pem") };
        let (mut watch, _) = Watch::open(files).unwrap();
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(matches!(watch.look(false), Verdict::Taken(_)) && shows(&watch.store, &other));
        assert!(matches!(watch.look(false), Verdict::Unchanged));
    }

    #[tokio::test]
    async fn it_runs_by_itself_and_when_it_is_asked() {
        let (folder, one, other) = (tempfile::tempdir().unwrap(), made(), made());
        for (every, asked) in [(Duration::from_millis(1), false), (Duration::from_secs(3600), true)] {
            let (watch, _) = Watch::open(one.write(folder.path())).unwrap();
            let (store, reload) = (watch.store(), Reload::default());
            let running = tokio::spawn(watch.run(reload.clone(), every));
            other.write(folder.path());
            while !shows(&store, &other) {
                if asked {
                    reload.now();
                }
                tokio::task::yield_now().await;
            }
            running.abort();
        }
    }
}
