//! The program: arguments, configuration, runtime, `app::run`.

fn main() {}
