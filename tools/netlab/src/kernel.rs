//! The two calls to the kernel that no library wraps: a namespace of one's own, and a TUN device in it.
#![allow(
    unsafe_code,
    reason = "unshare and the ioctls of TUN devices have no safe wrapper in the libraries used here"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::ioctl::{IntegerSetter, Opcode, Setter, ioctl, opcode};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// `struct ifreq` as TUNSETIFF reads it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    padding: [u8; 22],
}

const TUN: u16 = 0x0001;
const NO_PROTOCOL_INFO: u16 = 0x1000;
const VNET_HEADER: u16 = 0x4000;
const OFFLOAD_CHECKSUM: usize = 0x01;
const OFFLOAD_TCP4: usize = 0x02;

const SET_INTERFACE: Opcode = opcode::write::<i32>(b'T', 202);
const SET_OFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);

/// Moves the calling thread, which must not be used for anything else, into a network namespace of its own.
pub(crate) fn leave_network() -> io::Result<File> {
    // SAFETY: only `UnshareFlags::FILES` endangers other threads: descriptors stay shared with this flag.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
    File::open("/proc/thread-self/ns/net")
}

/// Makes the device `eth0` in the network namespace of the calling thread.
///
/// Its packets come with a `virtio_net_hdr`, so that checksums, and with `trains` the cutting of TCP
/// segments, are left undone for packets that never leave this machine.
pub(crate) fn open_tun(trains: bool) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open("/dev/net/tun")?;
    let mut request = InterfaceRequest {
        name: [0; 16],
        flags: TUN | NO_PROTOCOL_INFO | VNET_HEADER,
        padding: [0; 22],
    };
    request.name[..4].copy_from_slice(b"eth0");
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which has the 40 bytes of `InterfaceRequest`.
    // The number of the call names `int` for historical reasons.
    unsafe { ioctl(&device, Setter::<SET_INTERFACE, _>::new(request)) }?;
    let offload = if trains {
        OFFLOAD_CHECKSUM | OFFLOAD_TCP4
    } else {
        OFFLOAD_CHECKSUM
    };
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    unsafe { ioctl(&device, IntegerSetter::<SET_OFFLOAD>::new_usize(offload)) }?;
    Ok(device)
}
