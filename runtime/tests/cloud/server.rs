//! As much of S3 as reading takes: one bucket, `bucket`, whose folder `data` is a folder on disk. Google's XML API is
//! the same.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server that ends with the process.
pub struct Server {
    url: String,
    state: Arc<State>,
}

struct State {
    folder: PathBuf,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// Requests for a range so far.
    ranges: u64,
    plan: Option<Plan>,
}

/// What happens to requests for a range.
#[derive(Clone, Copy)]
struct Plan {
    /// Requests before the first that it happens to, and how often it happens.
    after: u64,
    times: u64,
    fault: Fault,
}

#[derive(Clone, Copy)]
pub enum Fault {
    /// They are refused by this status.
    Status(u16),
    /// The connection ends within the answer.
    Torn,
    /// The content is another.
    Changed,
    /// The content is shorter, and the server knows no conditions.
    Truncated,
}

/// A request as far as it matters.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    query: String,
    range: Option<(u64, u64)>,
    if_match: Option<String>,
}

impl Server {
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            folder: folder.to_owned(),
            now: Mutex::default(),
        });
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                thread::spawn(move || state.serve(&stream));
            }
        });
        Self { url, state }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Requests for a range since the last call.
    pub fn ranges(&self) -> u64 {
        std::mem::take(&mut self.state.now.lock().unwrap().ranges)
    }

    /// From now on this happens to requests for a range, after some that go well.
    pub fn plan(&self, after: u64, times: u64, fault: Fault) {
        self.state.now.lock().unwrap().plan = Some(Plan {
            after,
            times,
            fault,
        });
    }
}

impl State {
    /// Answers the requests of a connection.
    fn serve(&self, mut stream: &TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = Request::read(&mut lines) {
            let (head, body) = self.answer(&request);
            let torn = head.starts_with("TORN");
            let head = head.trim_start_matches("TORN");
            let sent = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
            let body = if torn { &body[..body.len() / 2] } else { &body };
            if sent.and_then(|()| stream.write_all(body)).is_err() || torn {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }

    /// Head and body.
    fn answer(&self, request: &Request) -> (String, Vec<u8>) {
        let sized = |status: &str, body: String| {
            let head = format!("{status}\r\nContent-Length: {}", body.len());
            (head, body.into_bytes())
        };
        let Some(key) = request.path.strip_prefix("/bucket") else {
            let body = "<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>";
            let is_head = request.method == "HEAD";
            return sized("404 Not Found", if is_head { "" } else { body }.to_owned());
        };
        if request.query.contains("list-type=2") {
            return sized("200 OK", self.listing(&request.query));
        }
        let key = key.strip_prefix("/data/");
        let Some(mut file) = key.and_then(|key| File::open(self.folder.join(key)).ok()) else {
            return sized("404 Not Found", String::new());
        };
        let fault = request.range.and_then(|_| self.next_fault());
        let (mut size, mut tag) = (file.metadata().unwrap().len(), "\"1\"");
        match fault {
            Some(Fault::Status(status)) => {
                return sized(&format!("{status} Refused"), String::new());
            }
            Some(Fault::Changed) => tag = "\"2\"",
            Some(Fault::Truncated) => size /= 2,
            Some(Fault::Torn) | None => {}
        }
        if request
            .if_match
            .as_deref()
            .is_some_and(|wanted| wanted != tag)
        {
            return sized("412 Precondition Failed", String::new());
        }
        let stamps = format!("ETag: {tag}\r\nLast-Modified: Sat, 21 Nov 2026 10:00:00 GMT");
        let Some((from, last)) = request.range else {
            assert_eq!(request.method, "HEAD", "a whole object is asked for");
            return (
                format!("200 OK\r\n{stamps}\r\nContent-Length: {size}"),
                Vec::new(),
            );
        };
        if from >= size {
            return sized("416 Range Not Satisfiable", String::new());
        }
        let last = last.min(size - 1);
        let mut body = vec![0; (last + 1 - from) as usize];
        file.seek(SeekFrom::Start(from)).unwrap();
        file.read_exact(&mut body).unwrap();
        let torn = if matches!(fault, Some(Fault::Torn)) {
            "TORN"
        } else {
            ""
        };
        let length = body.len();
        (
            format!(
                "{torn}206 Partial Content\r\n{stamps}\r\nContent-Range: bytes {from}-{last}/{size}\r\n\
                 Content-Length: {length}"
            ),
            body,
        )
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut now = self.now.lock().unwrap();
        now.ranges += 1;
        let plan = now.plan.as_mut()?;
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        plan.times = plan.times.checked_sub(1)?;
        Some(plan.fault)
    }

    /// Objects right below `data/`, in two pages; nothing else is there.
    fn listing(&self, query: &str) -> String {
        let mut text = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
        let is_data = query.contains("prefix=data%2F") || query.contains("prefix=data/");
        assert!(query.contains("delimiter="), "{query}");
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(&self.folder).unwrap().filter(|_| is_data) {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => {
                    text +=
                        &format!("<CommonPrefixes><Prefix>data/{name}/</Prefix></CommonPrefixes>");
                }
                false => names.push(name),
            }
        }
        names.sort();
        let second = query.contains("continuation-token=");
        let (first_half, second_half) = names.split_at(names.len().div_ceil(2));
        for name in if second { second_half } else { first_half } {
            let size = fs::metadata(self.folder.join(name)).unwrap().len();
            text += &format!(
                "<Contents><Key>data/{name}</Key><LastModified>2026-11-21T10:00:00.000Z</LastModified>\
                 <ETag>\"1\"</ETag><Size>{size}</Size></Contents>"
            );
        }
        if !second && !second_half.is_empty() {
            text +=
                "<IsTruncated>true</IsTruncated><NextContinuationToken>2</NextContinuationToken>";
        }
        text + "</ListBucketResult>"
    }
}

impl Request {
    /// The next of a connection.
    fn read(lines: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: decoded(path),
            query: query.to_owned(),
            ..Self::default()
        };
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                return Some(request);
            };
            match name.to_ascii_lowercase().as_str() {
                "range" => {
                    let (from, last) = value.strip_prefix("bytes=")?.split_once('-')?;
                    request.range = Some((from.parse().ok()?, last.parse().ok()?));
                }
                "if-match" => request.if_match = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

/// A path whose bytes may be written `%2F`, as Google's client does.
fn decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}
