//! Folds functions whose code is the same: generic code leaves many, and what is not in the zip is not read at a cold start.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    // Where rustc links by LLD itself: GNU's linker has no such option.
    if target == "x86_64-unknown-linux-gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
