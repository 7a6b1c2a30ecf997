//! Content: every case of HTTP with its status and its headers, of what is here and of what is not.

use crate::http::Answer;
use crate::shelf::{SIZE, Shelf, shelves};

fn is_content(answer: &Answer) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("script"), "{policy}");
    assert_eq!(answer.header("set-cookie"), "");
}

#[test]
fn ranges_of_one_file() {
    shelves("ranges").iter().for_each(ranges_of_one_file_of);
}

/// Range, status, `Content-Range`, and which bytes.
fn ranges_of_one_file_of(shelf: &Shelf) {
    let path = shelf.film_path();
    let last = SIZE - 1;
    let table: [(&str, u16, String, std::ops::Range<usize>); 14] = [
        ("bytes=0-0", 206, format!("bytes 0-0/{SIZE}"), 0..1),
        ("bytes=0-", 206, format!("bytes 0-{last}/{SIZE}"), 0..SIZE),
        (
            "bytes=16383-16385",
            206,
            format!("bytes 16383-16385/{SIZE}"),
            16383..16386,
        ),
        (
            "bytes=200000-599999",
            206,
            format!("bytes 200000-599999/{SIZE}"),
            200_000..600_000,
        ),
        (
            "bytes=699999-699999",
            206,
            format!("bytes {last}-{last}/{SIZE}"),
            last..SIZE,
        ),
        (
            "bytes=699990-999999999",
            206,
            format!("bytes 699990-{last}/{SIZE}"),
            699_990..SIZE,
        ),
        (
            "bytes=-1",
            206,
            format!("bytes {last}-{last}/{SIZE}"),
            last..SIZE,
        ),
        (
            "bytes=-20000",
            206,
            format!("bytes 680000-{last}/{SIZE}"),
            680_000..SIZE,
        ),
        (
            "bytes=-99999999",
            206,
            format!("bytes 0-{last}/{SIZE}"),
            0..SIZE,
        ),
        ("bytes=700000-", 416, format!("bytes */{SIZE}"), 0..0),
        ("bytes=-0", 416, format!("bytes */{SIZE}"), 0..0),
        ("bytes=5-2", 200, String::new(), 0..SIZE),
        ("bytes=x", 200, String::new(), 0..SIZE),
        ("pages=1-2", 200, String::new(), 0..SIZE),
    ];
    for (range, status, place, bytes) in table {
        let answer = shelf.door.content(&path).with("Range", range).send();
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.header("content-range"), place, "{range}");
        assert_eq!(answer.header("accept-ranges"), "bytes", "{range}");
        assert_eq!(answer.header("etag"), format!("\"{}\"", shelf.film));
        is_content(&answer);
        if status != 416 {
            assert_eq!(answer.header("content-length"), bytes.len().to_string());
            assert!(answer.body == shelf.bytes[bytes], "{range}: other bytes");
        }
    }
}

#[test]
fn several_ranges_at_once() {
    shelves("multi").iter().for_each(several_ranges_at_once_of);
}

fn several_ranges_at_once_of(shelf: &Shelf) {
    let path = shelf.film_path();
    let ask = shelf.door.content(&path);
    let answer = ask
        .clone()
        .with("Range", "bytes=0-9, 100000-100009, -5")
        .send();
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type");
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string()
    );
    let mut expected = Vec::new();
    for (index, (from, to)) in [(0, 10), (100_000, 100_010), (SIZE - 5, SIZE)]
        .into_iter()
        .enumerate()
    {
        let start = if index == 0 { "" } else { "\r\n" };
        let last = to - 1;
        expected.extend_from_slice(
            format!("{start}--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes {from}-{last}/{SIZE}\r\n\r\n")
                .as_bytes(),
        );
        expected.extend_from_slice(&shelf.bytes[from..to]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(answer.body == expected, "{}", answer.text());
    is_content(&answer);
    // Of several, those that there are; overlapping ones and very many are the whole file.
    let answer = ask.clone().with("Range", "bytes=5-6, 99999999-").send();
    assert_eq!((answer.status, answer.body.len()), (206, 2));
    let many = vec!["0-699999"; 20].join(",");
    let answer = ask.clone().with("Range", &format!("bytes={many}")).send();
    assert_eq!((answer.status, answer.body.len()), (200, SIZE));
    let many = vec!["1-1"; 200].join(",");
    let answer = ask.with("Range", &format!("bytes={many}")).send();
    assert_eq!((answer.status, answer.body.len()), (200, SIZE));
}

#[test]
fn conditions_head_and_methods() {
    shelves("conditions")
        .iter()
        .for_each(conditions_head_and_methods_of);
}

fn conditions_head_and_methods_of(shelf: &Shelf) {
    let path = shelf.film_path();
    let ask = shelf.door.content(&path);
    let tag = format!("\"{}\"", shelf.film);
    for (name, value, status) in [
        ("If-None-Match", tag.as_str(), 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-None-Match", &format!("\"x\", W/{tag}"), 304),
    ] {
        let answer = ask.clone().with(name, value).send();
        assert_eq!(answer.status, status, "{name}: {value}");
        assert_eq!(answer.header("etag"), tag);
        let cache = "public, max-age=29030400, immutable";
        assert_eq!(answer.header("cache-control"), cache);
        if status == 304 {
            assert!(answer.body.is_empty());
        }
    }
    for (value, status) in [
        (tag.as_str(), 206),
        ("\"other\"", 200),
        (&format!("W/{tag}"), 200),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 200),
        ("nonsense", 200),
    ] {
        let answer = ask
            .clone()
            .with("Range", "bytes=0-9")
            .with("If-Range", value)
            .send();
        assert_eq!(answer.status, status, "If-Range: {value}");
    }
    let head = shelf.door.ask("HEAD", "127.0.0.1", &path).send();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), SIZE.to_string());
    assert_eq!(head.header("content-type"), "video/mp4");
    assert!(head.body.is_empty());
    let head = shelf
        .door
        .ask("HEAD", "127.0.0.1", &path)
        .with("Range", "bytes=0-1")
        .send();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, "700000")
    );
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = shelf.door.ask(method, "127.0.0.1", &path).send();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
    let answer = ask.send();
    assert_eq!(
        answer.header("content-disposition"),
        "inline; filename=\"film.mp4\""
    );
    let answer = shelf.door.content(&format!("{path}?download")).send();
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"film.mp4\""
    );
    assert!(answer.body == shelf.bytes);
}

#[test]
fn folders_are_listed() {
    shelves("folders").iter().for_each(folders_are_listed_of);
}

fn folders_are_listed_of(shelf: &Shelf) {
    let root = format!("/c/{}", shelf.folder);
    let get = |path: &str| shelf.door.content(&format!("{root}{path}")).send();
    let answer = get("?x=1");
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, format!("{root}/?x=1").as_str())
    );
    let answer = get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    is_content(&answer);
    let page = answer.text();
    for part in [
        "href=\"./a.txt\"",
        "href=\"./site/\"",
        "href=\"./Übung%20%26%20mehr/\"",
        "Übung &amp; mehr/",
    ] {
        assert!(
            page.contains(part) || page.contains(&part.replace('Ü', "%C3%9C")),
            "{part}: {page}"
        );
    }
    let page = get("/%C3%9Cbung%20%26%20mehr/").text();
    assert!(
        page.contains("&lt;b&gt;.txt") && !page.contains("<b>"),
        "{page}"
    );
    assert!(page.contains("href=\"../\""), "{page}");
}

#[test]
fn files_of_a_folder() {
    shelves("files").iter().for_each(files_of_a_folder_of);
}

fn files_of_a_folder_of(shelf: &Shelf) {
    let root = format!("/c/{}", shelf.folder);
    let get = |path: &str| shelf.door.content(&format!("{root}{path}")).send();
    for (path, kind, text) in [
        ("/a.txt", "text/plain; charset=utf-8", "first\n"),
        ("/empty.txt", "text/plain; charset=utf-8", ""),
        (
            "/%C3%9Cbung%20%26%20mehr/gr%C3%B6%C3%9Fe%20%231%3F.txt",
            "text/plain; charset=utf-8",
            "Unicode\n",
        ),
        ("/site/", "text/html; charset=utf-8", "<h1>home</h1>"),
        (
            "/site/index.html",
            "text/html; charset=utf-8",
            "<h1>home</h1>",
        ),
        (
            "/site/style.css",
            "text/css; charset=utf-8",
            "h1{color:red}",
        ),
        (
            "/plain",
            "text/plain; charset=utf-8",
            "<html><script>alert(1)</script>",
        ),
        ("/doc.pdf", "application/pdf", "%PDF-1.4"),
    ] {
        let answer = get(path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, text),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), kind, "{path}");
        is_content(&answer);
    }
    assert_eq!(get("/site").status, 301);
    assert!(
        get("/doc.pdf")
            .header("content-security-policy")
            .starts_with("object-src")
    );
    let policy = get("/site/");
    assert!(
        policy
            .header("content-security-policy")
            .starts_with("sandbox")
    );
    let name = get("/%C3%9Cbung%20%26%20mehr/gr%C3%B6%C3%9Fe%20%231%3F.txt");
    assert!(
        name.header("content-disposition")
            .contains("filename*=UTF-8''gr%C3%B6%C3%9Fe")
    );
    let empty = shelf
        .door
        .content(&format!("{root}/empty.txt"))
        .with("Range", "bytes=0-")
        .send();
    assert_eq!(
        (empty.status, empty.header("content-range")),
        (416, "bytes */0")
    );
}

#[test]
fn what_is_not_there() {
    shelves("missing").iter().for_each(what_is_not_there_of);
}

fn what_is_not_there_of(shelf: &Shelf) {
    let nowhere = "bafkr4iew6i7ufqkvgcyiyrlxiol2oydwxcqaxl2wm7ja5dwn2zm6zypwha";
    for (path, status, part) in [
        (
            format!("/c/{}/nothing.txt", shelf.folder),
            404,
            "nothing.txt",
        ),
        (format!("/c/{}/a.txt/b", shelf.folder), 404, "a.txt/b"),
        (format!("/c/{}/nothing/", shelf.folder), 404, "nothing"),
        ("/c/nonsense".to_owned(), 400, ""),
        (
            "/c/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi".to_owned(),
            400,
            "",
        ),
        (format!("/c/{}?timeout=soon", shelf.folder), 400, ""),
        (format!("/c/{}/?timeout=301", shelf.folder), 400, "300"),
        (format!("/c/{nowhere}?timeout=1"), 504, nowhere),
        (format!("/c/{nowhere}/a/b?timeout=1"), 504, nowhere),
        ("/c/".to_owned(), 400, ""),
        ("/c".to_owned(), 400, ""),
    ] {
        let answer = shelf.door.content(&path).send();
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        is_content(&answer);
    }
}
