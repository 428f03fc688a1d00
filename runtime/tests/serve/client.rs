//! A small client of HTTP/1.1.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

/// A connection that is kept.
pub struct Client(TcpStream);

impl Client {
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"), &[])
    }

    pub fn post(&mut self, path: &str, body: &[u8], headers: &str) -> io::Result<Answer> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        self.send(&head, body)
    }

    fn send(&mut self, head: &str, body: &[u8]) -> io::Result<Answer> {
        self.0.write_all(&[head.as_bytes(), body].concat())?;
        self.read()
    }

    /// The bytes of a request, or of what is none.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    pub fn read(&mut self) -> io::Result<Answer> {
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let mut some = [0; 4096];
            match self.0.read(&mut some)? {
                0 => return Err(cut()),
                count => bytes.extend_from_slice(&some[..count]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut answer = Answer {
            code: head
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .ok_or_else(cut)?,
            body: bytes[end..].to_vec(),
            head,
        };
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse().ok());
        let length: usize = length.unwrap_or(0);
        let more = length.checked_sub(answer.body.len()).ok_or_else(cut)?;
        let mut rest = vec![0; more];
        self.0.read_exact(&mut rest)?;
        answer.body.extend(rest);
        Ok(answer)
    }
}
