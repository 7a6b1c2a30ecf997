//! Addresses, hash trees, manifests and links: what the bytes are.
