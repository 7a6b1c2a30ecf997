//! The libp2p swarm and bulk lanes behind one handle.
