//! Builds again when a page was added: the compiler itself only sees changes of those that there were.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
