//! The composition root: wires the machines to the network, the store and the local API.
