//! What is known about Python's frameworks and manifests, as data. A new framework is a new row here.
//! Ports are the frameworks' documented defaults.

/// The newest release most wheels exist for, with Debian's libraries.
pub(super) const DEFAULT_IMAGE: &str = "python:3.13-slim";
/// Minors of Python 3 with an image worth keeping, best first.
pub(super) const MINORS: &[u32] = &[13, 12, 14, 11, 10];

/// How a framework's program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Launch {
    /// `flask --app MODULE run`, for an object made by the constructor named.
    Flask(&'static str),
    /// `uvicorn MODULE:OBJECT`, for an object made by the constructor named.
    Asgi(&'static str),
    /// `manage.py runserver`.
    Django,
    /// `streamlit run FILE`.
    Streamlit,
    /// `python FILE`.
    Script,
}

/// One framework, recognised by what a source file imports.
pub(super) struct Framework {
    /// The module that is imported.
    pub(super) module: &'static str,
    /// What pip calls it.
    pub(super) package: &'static str,
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) port: u16,
    pub(super) launch: Launch,
}

const fn row(
    module: &'static str,
    package: &'static str,
    id: &'static str,
    title: &'static str,
    port: u16,
    launch: Launch,
) -> Framework {
    Framework { module, package, id, title, port, launch }
}

/// The first row that a file imports wins, so what is built on another comes before it.
pub(super) const FRAMEWORKS: &[Framework] = &[
    row("streamlit", "streamlit", "streamlit", "Streamlit", 8501, Launch::Streamlit),
    row("gradio", "gradio", "gradio", "Gradio", 7860, Launch::Script),
    row("dash", "dash", "dash", "Dash", 8050, Launch::Script),
    row("nicegui", "nicegui", "nicegui", "NiceGUI", 8080, Launch::Script),
    row("flask_socketio", "flask-socketio", "flask-socketio", "Flask-SocketIO", 5000, Launch::Script),
    row("fastapi", "fastapi", "fastapi", "FastAPI", 8000, Launch::Asgi("FastAPI")),
    row("litestar", "litestar", "litestar", "Litestar", 8000, Launch::Asgi("Litestar")),
    row("quart", "quart", "quart", "Quart", 5000, Launch::Asgi("Quart")),
    row("starlette", "starlette", "starlette", "Starlette", 8000, Launch::Asgi("Starlette")),
    row("flask", "flask", "flask", "Flask", 5000, Launch::Flask("Flask")),
    row("sanic", "sanic", "sanic", "Sanic", 8000, Launch::Script),
    row("aiohttp", "aiohttp", "aiohttp", "aiohttp", 8080, Launch::Script),
    row("tornado", "tornado", "tornado", "Tornado", 8888, Launch::Script),
    row("bottle", "bottle", "bottle", "Bottle", 8080, Launch::Script),
    row("cherrypy", "cherrypy", "cherrypy", "CherryPy", 8080, Launch::Script),
    row("falcon", "falcon", "falcon", "Falcon", 8000, Launch::Script),
    row("panel", "panel", "panel", "Panel", 5006, Launch::Script),
    row("uvicorn", "uvicorn", "uvicorn", "Uvicorn", 8000, Launch::Script),
    row("waitress", "waitress", "waitress", "Waitress", 8080, Launch::Script),
    row("http.server", "", "http-server", "Python http.server", 8000, Launch::Script),
    row("socketserver", "", "socketserver", "Python server", 8000, Launch::Script),
    row("wsgiref", "", "wsgiref", "Python WSGI", 8000, Launch::Script),
];

/// Sources in which the application object usually is, likeliest first; others at the top level come after.
pub(super) const SOURCES: &[&str] = &[
    "app.py",
    "main.py",
    "application.py",
    "server.py",
    "wsgi.py",
    "asgi.py",
    "run.py",
    "api.py",
    "web.py",
    "streamlit_app.py",
    "app/main.py",
    "app/__init__.py",
    "app/app.py",
    "src/main.py",
    "src/app.py",
    "src/server.py",
    "api/main.py",
    "src/__init__.py",
];
/// Programs that are started when nothing says otherwise.
pub(super) const PROGRAMS: &[&str] = &[
    "main.py",
    "app.py",
    "server.py",
    "run.py",
    "__main__.py",
    "bot.py",
    "start.py",
    "src/main.py",
    "src/app.py",
    "index.py",
];

/// Quiet and unbuffered: output appears when it is printed.
pub(super) const ENV: &[(&str, &str)] = &[
    ("GRADIO_ANALYTICS_ENABLED", "False"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
    ("PYTHONUNBUFFERED", "1"),
    ("UV_PYTHON_DOWNLOADS", "never"),
];
