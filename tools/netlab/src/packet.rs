//! What the switch reads of a packet: where it goes, and how long it is on the wire.
//!
//! With segmentation left to the device, a packet may be a *train*: many TCP segments under one header.

/// Bytes of the `virtio_net_hdr` that the kernel puts ahead of each packet.
pub(crate) const PREFIX: usize = 10;
/// An Ethernet header for each segment; its checksum and preamble are not counted.
const FRAME_HEADER: usize = 14;

/// Destination and length of one packet with its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The last two bytes of the IPv4 address it goes to.
    pub(crate) to: u16,
    /// Bytes of all its segments as Ethernet frames.
    pub(crate) wire_bytes: usize,
}

/// Reads an IPv4 packet; `None` for anything else.
pub(crate) fn parse(bytes: &[u8]) -> Option<Packet> {
    let (prefix, ip) = bytes.split_at_checked(PREFIX)?;
    let first = *ip.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let to = u16::from_be_bytes([*ip.get(18)?, *ip.get(19)?]);
    let segment = usize::from(u16::from_ne_bytes([prefix[4], prefix[5]]));
    let is_train = prefix[1] != 0 && segment > 0;
    let wire_bytes = if is_train {
        let header = usize::from(first & 15) * 4 + transport_header(ip, first)?;
        let payload = ip.len().checked_sub(header)?;
        payload + payload.div_ceil(segment).max(1) * (header + FRAME_HEADER)
    } else {
        ip.len() + FRAME_HEADER
    };
    Some(Packet { to, wire_bytes })
}

/// Bytes of the TCP or UDP header of a train.
fn transport_header(ip: &[u8], first: u8) -> Option<usize> {
    const TCP: u8 = 6;
    if *ip.get(9)? != TCP {
        return Some(8);
    }
    let start = usize::from(first & 15) * 4;
    Some(usize::from(*ip.get(start + 12)? >> 4) * 4)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A packet of `length` bytes of IP to the node with this address, with its prefix.
    pub(crate) fn packet(to: u16, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; PREFIX + length];
        bytes[PREFIX] = 0x45;
        bytes[PREFIX + 9] = 6;
        bytes[PREFIX + 18..PREFIX + 20].copy_from_slice(&to.to_be_bytes());
        bytes[PREFIX + 32] = 8 << 4;
        bytes
    }

    #[test]
    fn single_packets() {
        let expected = Packet {
            to: 0x0102,
            wire_bytes: 1_514,
        };
        assert_eq!(parse(&packet(0x0102, 1_500)), Some(expected));
        assert_eq!(parse(&packet(7, 1_500)[..20]), None);
        let mut six = packet(7, 100);
        six[PREFIX] = 0x60;
        assert_eq!(parse(&six), None);
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn trains_count_each_header() {
        // Three segments of 1,448, 1,448 and 4 bytes, each with 20 of IP, 32 of TCP and 14 of Ethernet.
        let mut train = packet(1, 52 + 2_900);
        train[1] = 1;
        train[4..6].copy_from_slice(&1_448_u16.to_ne_bytes());
        assert_eq!(parse(&train).unwrap().wire_bytes, 2_900 + 3 * 66);
    }
}
