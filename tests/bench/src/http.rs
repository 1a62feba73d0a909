//! As much of an HTTP/1.1 server as a function and an SDK need: a thread for each connection, so
//! that no call waits for another, and each answer in one write.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET` …
    pub method: String,
    /// With its query.
    pub path: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header; empty if it has none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// An answer. Its length is not among the headers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

/// Serves on a free port of this machine until the program ends. An error of `answer` ends the
/// connection.
///
/// # Errors
/// If no port is free.
pub fn serve(
    answer: impl Fn(Request) -> Result<Answer> + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(std::io::Result::ok) {
            let answer = Arc::clone(&answer);
            // How a connection ends is for the one who made it to say.
            std::thread::spawn(move || connection(stream, answer.as_ref()));
        }
    });
    Ok(address)
}

fn connection(mut stream: TcpStream, answer: &dyn Fn(Request) -> Result<Answer>) -> Result<()> {
    // A second small write would wait for the first to be acknowledged: some 40 ms.
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    while let Some(request) = next(&mut stream, &mut unread)? {
        let answer = answer(request)?;
        let mut text = format!("HTTP/1.1 {} -\r\n", answer.status).into_bytes();
        for (name, value) in &answer.headers {
            text.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        text.extend(format!("content-length: {}\r\n\r\n", answer.body.len()).into_bytes());
        text.extend(answer.body);
        stream.write_all(&text)?;
    }
    Ok(())
}

/// Reads the next request; there is none when the connection was ended.
fn next(stream: &mut impl Read, unread: &mut Vec<u8>) -> Result<Option<Request>> {
    let mut request = loop {
        if let Some((request, length)) = head(unread)? {
            unread.drain(..length);
            break request;
        }
        if !more(stream, unread)? {
            ensure!(unread.is_empty(), "the connection ended within a request");
            return Ok(None);
        }
    };
    ensure!(request.header("transfer-encoding").is_empty(), "a body in chunks is not read");
    let length = match request.header("content-length") {
        "" => 0,
        length => length.parse().with_context(|| format!("`{length}` is no length"))?,
    };
    while unread.len() < length {
        ensure!(more(stream, unread)?, "the connection ended within a body");
    }
    let rest = unread.split_off(length);
    request.body = std::mem::replace(unread, rest);
    Ok(Some(request))
}

fn more(stream: &mut impl Read, unread: &mut Vec<u8>) -> Result<bool> {
    let mut part = [0; 16 * 1024];
    let n = stream.read(&mut part)?;
    unread.extend(part.iter().take(n));
    Ok(n > 0)
}

/// The head of a request and its length, if all of it is there.
fn head(text: &[u8]) -> Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(text)? else { return Ok(None) };
    let (Some(method), Some(path)) = (parsed.method, parsed.path) else {
        bail!("a request without method or path");
    };
    let value = |header: &httparse::Header<'_>| {
        (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
    };
    let headers = parsed.headers.iter().map(value).collect();
    let request =
        Request { method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() };
    Ok(Some((request, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what comes in pieces of three bytes.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(3);
            let (now, later) = self.0.split_at(n);
            into[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    #[test]
    fn requests_are_told_apart_however_they_come() {
        let text = b"POST /a?b HTTP/1.1\r\nContent-Length: 4\r\nX-Y: z\r\n\r\nbody\
            GET /next HTTP/1.1\r\n\r\n";
        for whole in [true, false] {
            let (mut all, mut slowly) = (text.as_slice(), Slowly(text));
            let stream: &mut dyn Read = if whole { &mut all } else { &mut slowly };
            let (mut stream, mut unread) = (stream, Vec::new());
            let first = next(&mut stream, &mut unread).unwrap().unwrap();
            assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/a?b"));
            assert_eq!((first.header("x-y"), first.body.as_slice()), ("z", b"body".as_slice()));
            let second = next(&mut stream, &mut unread).unwrap().unwrap();
            assert_eq!((second.path.as_str(), second.body.len()), ("/next", 0));
            assert!(next(&mut stream, &mut unread).unwrap().is_none());
        }
    }

    #[test]
    fn what_it_cannot_read_is_an_error() {
        for text in [
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody",
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "POST / HT",
            "\0",
        ] {
            assert!(next(&mut text.as_bytes(), &mut Vec::new()).is_err(), "{text}");
        }
    }
}
