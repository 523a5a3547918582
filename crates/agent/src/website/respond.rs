//! One request, one response: a file or a part of it, a redirect, a listing, or an error page.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Frame;

use super::condition::{Part, Version};
use super::resolve::{self, Found};
use super::{Site, kind, page};

/// Bytes read from a file at a time.
const CHUNK: u64 = 128 * 1024;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Answers one request.
pub(super) async fn respond(site: &Site, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = error_page(StatusCode::METHOD_NOT_ALLOWED, "This server only sends files.");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let job = Job {
        root: site.root.clone(),
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
        single_page: site.single_page,
        headers: headers.clone(),
    };
    let answer = tokio::task::spawn_blocking(move || job.answer()).await;
    let mut response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            error_page(StatusCode::FORBIDDEN, "This file may not be read.")
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => not_found(),
        Ok(Err(error)) => {
            error_page(StatusCode::INTERNAL_SERVER_ERROR, &format!("The file cannot be read: {error}."))
        }
        Err(_) => error_page(StatusCode::SERVICE_UNAVAILABLE, "The server is shutting down."),
    };
    if method == Method::HEAD {
        // The headers are those of the whole answer, its length included; hyper keeps them for a HEAD.
        let length = hyper::body::Body::size_hint(response.body()).exact();
        if let (Some(length), false) = (length, response.headers().contains_key(header::CONTENT_LENGTH)) {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = nothing();
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A request, ready to be worked on by a blocking thread.
struct Job {
    root: PathBuf,
    path: String,
    query: Option<String>,
    single_page: bool,
    headers: HeaderMap,
}

impl Job {
    fn answer(&self) -> io::Result<Response<Body>> {
        match resolve::resolve(&self.root, &self.path) {
            Found::File(path) => self.file(&path),
            Found::Directory(path) => Ok(html(StatusCode::OK, page::listing(&path, &self.path)?)),
            Found::NeedsSlash => Ok(self.redirect()),
            Found::Nothing => self.nothing_there(),
        }
    }

    fn file(&self, path: &Path) -> io::Result<Response<Body>> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        let version = Version::of(&meta);
        let length = meta.len();
        let mut response = Response::new(nothing());
        let head = response.headers_mut();
        head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.insert(header::ETAG, value(&version.tag)?);
        if let Some(modified) = version.modified {
            head.insert(header::LAST_MODIFIED, value(&httpdate::fmt_http_date(modified))?);
        }
        if version.is_known(&self.headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind::of(path)));
        let (from, to) = match version.part(&self.headers, length) {
            Part::Whole => (0, length),
            Part::Range(first, last) => {
                head.insert(header::CONTENT_RANGE, value(&format!("bytes {first}-{last}/{length}"))?);
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                (first, last + 1)
            }
            Part::Unsatisfiable => {
                let mut response =
                    error_page(StatusCode::RANGE_NOT_SATISFIABLE, "The file does not have that part.");
                response.headers_mut().insert(header::CONTENT_RANGE, value(&format!("bytes */{length}"))?);
                return Ok(response);
            }
        };
        response.headers_mut().insert(header::CONTENT_LENGTH, (to - from).into());
        *response.body_mut() = content(file, from, to);
        Ok(response)
    }

    /// To the same path with a slash. The path is given back as it came, but never so that it reads as another host.
    fn redirect(&self) -> Response<Body> {
        let path = self.path.trim_start_matches('/');
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let Ok(location) = HeaderValue::try_from(format!("/{path}/{query}")) else { return not_found() };
        let mut response = Response::new(nothing());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        response.headers_mut().insert(header::LOCATION, location);
        response
    }

    fn nothing_there(&self) -> io::Result<Response<Body>> {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let wants_page = self
            .headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        if self.single_page && (!last.contains('.') || wants_page) {
            return self.file(&self.root.join("index.html"));
        }
        let own = resolve::inside(&self.root, &self.root.join("404.html")).filter(|own| own.is_file());
        let Some(own) = own else { return Ok(not_found()) };
        // Conditions of the request are about what is not there.
        let plain = Self {
            headers: HeaderMap::new(),
            root: self.root.clone(),
            path: self.path.clone(),
            query: None,
            ..*self
        };
        let mut response = plain.file(&own)?;
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok(response)
    }
}

/// The bytes `from..to` of a file, read as they are sent. A file that shrinks meanwhile breaks the response off.
fn content(file: File, from: u64, to: u64) -> Body {
    if from == to {
        return nothing();
    }
    let chunks = stream::unfold(Some((file, from)), move |state| async move {
        let (file, from) = state?;
        if from == to {
            return None;
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; (to - from).min(CHUNK) as usize];
            let length = file.read_at(&mut buffer, from)?;
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            buffer.truncate(length);
            Ok((file, buffer))
        });
        match read.await.map_err(io::Error::other).flatten() {
            Ok((file, buffer)) => {
                let next = from + buffer.len() as u64;
                Some((Ok(Frame::data(Bytes::from(buffer))), Some((file, next))))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn not_found() -> Response<Body> {
    error_page(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

fn error_page(status: StatusCode, explanation: &str) -> Response<Body> {
    html(status, page::error(status, explanation))
}

fn html(status: StatusCode, page: String) -> Response<Body> {
    let mut response =
        Response::new(Full::new(Bytes::from(page)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn value(text: &str) -> io::Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(io::Error::other)
}
