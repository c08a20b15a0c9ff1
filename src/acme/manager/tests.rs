use super::{super::certificate::testing, *};
use renew::Validity;
use std::fs;
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Shows certificates to nobody.
#[derive(Debug)]
struct Unseen;

impl Certificates for Unseen {
    fn set(&self, _: &str, _: Arc<rustls::sign::CertifiedKey>) {}

    fn challenge(&self, _: &str, _: Arc<rustls::sign::CertifiedKey>) {}

    fn unchallenge(&self, _: &str) {}
}

/// A keeper and its folder.
fn keeper() -> (TempDir, Keeper) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(Storage::open(folder.path(), "https://ca.example").unwrap());
    let directory = "https://ca.example".to_owned();
    let accounts = Accounts { directory, email: None, eab: None, storage };
    let stage = Stage { tokens: Arc::default(), certificates: Arc::new(Unseen) };
    let client = Client::new(None).unwrap();
    let shared = Arc::new(Shared { accounts, stage, client, pace: Pace::default() });
    (folder, Keeper::new(testing::DOMAIN.to_owned(), shared))
}

/// Has every attempt to write these files fail, as on a full disk.
fn fill_up(keeper: &Keeper) {
    for name in [&keeper.files.certificate, &keeper.files.history] {
        fs::create_dir(keeper.shared.accounts.storage.path(&format!("{name}.new"))).unwrap();
    }
}

/// Holds a certificate of ninety days that is so many days old, and was obtained then by whatever the clock said.
fn age(keeper: &mut Keeper, days: u32, obtained: SystemTime) {
    let not_before = SystemTime::now() - DAY * days;
    let validity = Validity { not_before, not_after: not_before + DAY * 90 };
    keeper.history.succeeded(obtained, Method::Http01);
    keeper.hold(Certificate::parse(&testing::pem(validity), testing::DOMAIN).unwrap());
}

#[tokio::test]
async fn on_a_full_disk_what_was_kept_before_is_no_news() {
    let (_folder, mut keeper) = keeper();
    let client = keeper.shared.client.afresh();
    keeper.write_down(&History::default()).await.unwrap();
    fill_up(&keeper);
    let failed = keeper.conclude(Err(Failure::Trouble("gone".to_owned())), &client).await;
    failed.unwrap_err();
    assert!(!keeper.look().await.unwrap(), "nothing has changed");
    assert!(keeper.history.is_failing() && keeper.due() > SystemTime::now(), "the pause is kept");
}

#[tokio::test]
async fn on_a_full_disk_a_new_certificate_stays_in_use() {
    let (_folder, mut keeper) = keeper();
    let client = keeper.shared.client.afresh();
    let validity = |days| {
        let not_before = SystemTime::UNIX_EPOCH + DAY * days;
        Validity { not_before, not_after: not_before + DAY * 90 }
    };
    keeper.save(&keeper.files.certificate, &testing::pem(validity(20_000))).await.unwrap();
    assert!(keeper.look().await.unwrap());
    fill_up(&keeper);
    let pem = testing::pem(validity(20_060));
    let certificate = Certificate::parse(&pem, testing::DOMAIN).unwrap();
    keeper.conclude(Ok((Obtained { pem, certificate }, Method::Http01)), &client).await.unwrap();
    assert!(!keeper.look().await.unwrap());
    assert_eq!(keeper.held.unwrap().certificate.validity, validity(20_060));
}

#[tokio::test]
async fn what_was_asked_for_is_written_down_before_there_is_an_answer() {
    let (_folder, mut keeper) = keeper();
    keeper.expect_the_worst().await.unwrap();
    assert!(!keeper.history.is_failing(), "it has not failed yet");
    let mut next = Keeper::new(testing::DOMAIN.to_owned(), keeper.shared.clone());
    next.look().await.unwrap();
    assert!(next.history.is_failing() && next.due() > SystemTime::now());
    fill_up(&keeper);
    keeper.expect_the_worst().await.unwrap_err();
}

#[tokio::test]
async fn a_certificate_that_was_obtained_by_a_wrong_clock_is_renewed_all_the_same() {
    let (_folder, mut keeper) = keeper();
    let now = SystemTime::now();
    age(&mut keeper, 70, now - DAY * 70);
    assert!(keeper.due() <= now);
    age(&mut keeper, 70, now + DAY * 365);
    assert!(keeper.due() <= now, "the clock was fast by a year");
    age(&mut keeper, 1, now + DAY * 365);
    assert!(keeper.due() > now, "a new one is new");
}
