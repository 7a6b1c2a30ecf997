//! Keys, peer ids and private-network keys.
