//! Lies on a bulk lane: in the place of proofs, bytes and headers.

use super::liar::{Lie, Out, Seen, add, count, read_frame};
use super::truth::{Truth, bytes};
use potluck_content::GROUP_BYTES;
use potluck_net::{Pipe, PipeReader};
use potluck_transfer::wire::bulk::{Header, Item, Message, Request, Status};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// Which group of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    First,
    Middle,
    Last,
}

/// What it sends on a bulk lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    Truth,
    /// A proof with one bit flipped.
    WrongProof,
    /// One bit flipped in one group.
    Flipped(Which),
    /// True bytes of another place.
    OtherPlace,
    /// All zeros.
    Zeros,
    /// A few bytes less than were asked for, then the next reply.
    Less,
    /// Half of an item, then nothing for ever.
    LessThenSilence,
    /// Half of an item, then the end of the stream.
    LessThenClose,
    /// A true item, then bytes without end.
    MoreForever,
    /// Headers without end, for requests that nobody made.
    HeadersForever,
    /// The right bytes under the number of another request.
    UnknownRequest,
    /// The right bytes under the number of an item that is not in the request.
    UnknownItem,
    /// The same true item again and again.
    SameItemAgain,
    UnknownStatus,
    /// Does not have what it said it has.
    NotHave,
    /// Calls a good request bad.
    Invalid,
    /// Never has time.
    Busy,
    /// Says that a request was taken back which was not.
    Cancelled,
}

/// Serves one lane to its end.
pub async fn serve(pipe: Pipe, lie: Lie, truth: &Truth, seen: Arc<Seen>) -> io::Result<()> {
    let mut requests = take_requests(pipe.reader, Arc::clone(&seen));
    let mut out = Out {
        writer: pipe.writer,
        seen,
        lied: false,
    };
    while let Some(request) = requests.recv().await {
        for (index, item) in (0u16..).zip(&request.items) {
            let truthful = count(&out.seen.items) < lie.truthful;
            let sends = if truthful { Sends::Truth } else { lie.sends };
            add(&out.seen.items, 1);
            let place = Place {
                request: &request,
                index,
                item,
            };
            if !answer(&mut out, sends, truth, &place).await? {
                break;
            }
        }
    }
    Ok(())
}

fn take_requests(mut reader: PipeReader, seen: Arc<Seen>) -> mpsc::Receiver<Request> {
    let (tell, requests) = mpsc::channel(1024);
    tokio::spawn(async move {
        while let Ok(frame) = read_frame(&mut reader).await {
            if let Ok(Message::Request(request)) = Message::decode(&frame) {
                add(&seen.requests, 1);
                add(&seen.asked, request.data_len());
                let _ = tell.send(request).await;
            }
        }
    });
    requests
}

struct Place<'a> {
    request: &'a Request,
    index: u16,
    item: &'a Item,
}

impl Place<'_> {
    fn header(&self, status: Status) -> Header {
        Header {
            id: self.request.id,
            item: self.index,
            status,
        }
    }

    fn group(&self, which: Which) -> u64 {
        match which {
            Which::First => 0,
            Which::Middle => self.item.groups / 2,
            Which::Last => self.item.groups - 1,
        }
    }

    /// Notes a lie about a group of this item.
    fn lied(&self, out: &mut Out, group: u64) {
        let about = (self.item.hash, self.item.first_group + group);
        out.lied_about(about);
    }
}

/// Answers an item; `false` when that ends the request.
async fn answer(out: &mut Out, sends: Sends, truth: &Truth, place: &Place<'_>) -> io::Result<bool> {
    let refusal = match sends {
        Sends::NotHave => Some(Status::NotHave),
        Sends::Invalid => Some(Status::Invalid),
        Sends::Busy => Some(Status::Busy),
        Sends::Cancelled => Some(Status::Cancelled),
        _ => None,
    };
    if let Some(status) = refusal {
        place.lied(out, 0);
        out.put(&place.header(status).encode()).await?;
        return Ok(false);
    }
    let mut header = place.header(Status::Ok);
    let (mut proof, data) = truth.span(place.item);
    match sends {
        Sends::UnknownRequest => header.id ^= 1 << 20,
        Sends::UnknownItem => header.item = u16::try_from(place.request.items.len()).unwrap(),
        Sends::WrongProof => *proof.last_mut().expect("a proof of something large") ^= 1,
        _ => {}
    }
    let mut header = header.encode();
    if sends == Sends::UnknownStatus {
        header[6] = 9;
    }
    let wrong_at_once = matches!(
        sends,
        Sends::UnknownRequest | Sends::UnknownItem | Sends::WrongProof | Sends::UnknownStatus
    );
    out.put(&header).await?;
    out.put(&proof).await?;
    if wrong_at_once {
        place.lied(out, 0);
    }
    body(out, sends, truth, place, data).await?;
    Ok(true)
}

/// The bytes of an item, true or not.
async fn body(
    out: &mut Out,
    sends: Sends,
    truth: &Truth,
    place: &Place<'_>,
    mut data: Vec<u8>,
) -> io::Result<()> {
    let half = data.len() / 2 + 1000;
    match sends {
        Sends::Flipped(which) => {
            let group = place.group(which);
            let start = usize::try_from(group * GROUP_BYTES).unwrap();
            let end = data.len().min(start + 16 * 1024);
            data[usize::midpoint(start, end)] ^= 0x10;
            out.put(&data[..end]).await?;
            place.lied(out, group);
            out.put(&data[end..]).await
        }
        Sends::OtherPlace => {
            place.lied(out, 0);
            let last = place.item.geometry().groups();
            let mut other = *place.item;
            other.first_group = (other.first_group + other.groups) % (last - other.groups + 1);
            let (_, mut wrong) = truth.span(&other);
            wrong.resize(data.len(), 0);
            out.put(&wrong).await
        }
        Sends::Zeros => {
            place.lied(out, 0);
            data.fill(0);
            out.put(&data).await
        }
        Sends::Less => {
            out.put(&data[..data.len() - 100]).await?;
            place.lied(out, place.group(Which::Last));
            Ok(())
        }
        Sends::LessThenSilence => {
            out.put(&data[..half]).await?;
            place.lied(out, 0);
            std::future::pending().await
        }
        Sends::LessThenClose => {
            out.put(&data[..half]).await?;
            place.lied(out, 0);
            out.writer.shutdown().await?;
            Err(io::ErrorKind::BrokenPipe.into())
        }
        Sends::SameItemAgain => same_again(out, truth, place).await,
        Sends::MoreForever | Sends::HeadersForever => {
            out.put(&data).await?;
            place.lied(out, 0);
            endless(out, sends).await
        }
        _ => out.put(&data).await,
    }
}

async fn same_again(out: &mut Out, truth: &Truth, place: &Place<'_>) -> io::Result<()> {
    let (proof, data) = truth.span(place.item);
    out.put(&data).await?;
    place.lied(out, 0);
    loop {
        out.put(&place.header(Status::Ok).encode()).await?;
        out.put(&proof).await?;
        out.put(&data).await?;
    }
}

async fn endless(out: &mut Out, sends: Sends) -> io::Result<()> {
    let noise = bytes(256 * 1024, 5);
    let headers: Vec<u8> = (1 << 24..(1 << 24) + 1000)
        .flat_map(|id| {
            let status = Status::Ok;
            Header {
                id,
                item: 0,
                status,
            }
            .encode()
        })
        .collect();
    loop {
        let more = if sends == Sends::MoreForever {
            &noise
        } else {
            &headers
        };
        out.put(more).await?;
    }
}
