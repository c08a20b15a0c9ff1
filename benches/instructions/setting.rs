//! What the counts depend on beside the project and its `Cargo.lock`.

use std::process::Command;

/// The compiler, the kind of processor and the C library. (Valgrind's processor is the same one on every machine that has
/// AVX2, so that libraries which look for such things find the same.)
pub fn here() -> String {
    let rustc = output("rustc", &["-vV"]);
    let of = |name: &str| rustc.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").to_owned();
    let avx2 = if has_avx2() { " with AVX2" } else { "" };
    let libc = output("getconf", &["GNU_LIBC_VERSION"]);
    format!("rustc {} for {}{avx2}, {}", of("release: "), of("host: "), libc.trim())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}
