//! Sample projects of real shape and the plans they get, as snapshots; and the rules that hold for every plan.
//! To accept changed plans: `INSTA_UPDATE=always cargo nextest run -p slipway-intake`, then read the difference.

use std::fmt::Write;

use slipway_intake::{Language, Refusal, RunPlan, Start, Step, describe_unknown, plans};

use crate::support::*;

type Files<'f> = &'f [(&'f str, &'f str)];

fn project(files: Files<'_>) -> Result<Vec<RunPlan>, Refusal> {
    let entries: Vec<_> = files.iter().map(|(path, text)| Raw::deflated(path, text.as_bytes())).collect();
    plans(&mut open_good(zip(&entries)))
}

/// A plan as a person would want to read it in a review; the parts that are the same for a whole language left out.
fn render(plan: &RunPlan) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name:<9} {value}").expect("memory");
    let step =
        |step: &Step| if step.shell.is_some() { format!("sh: {}", step.display()) } else { step.display() };
    line("plan", format!("{} — {} ({:?})", plan.id, plan.title, plan.language));
    line("why", plan.why.clone());
    line("image", format!("{} ({})", plan.image.reference, plan.image.why));
    if !plan.workdir.is_empty() {
        line("workdir", plan.workdir.clone());
    }
    let steps = [("install", &plan.install), ("fallback", &plan.fallback_install), ("build", &plan.build)];
    for (name, found) in steps {
        if let Some(found) = found {
            line(name, step(found));
        }
    }
    match &plan.start {
        Start::Command(start) => line("start", step(start)),
        Start::Static { dir, spa } => {
            line("start", format!("static {dir:?}{}", if *spa { " spa" } else { "" }));
        }
    }
    for process in &plan.processes {
        line("process", format!("{}: {}", process.name, step(&process.step)));
    }
    line("http", format!("{} port {:?} PORT {:?}", plan.expects_http, plan.port, plan.env.get("PORT")));
    if !plan.network_allow.is_empty() {
        line("allow", plan.network_allow.join(" "));
    }
    for evidence in &plan.evidence {
        line("evidence", format!("{}: {}", evidence.file, evidence.fact));
    }
    text
}

fn sample(name: &str, files: Files<'_>) {
    let found = project(files).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    let mut text = String::new();
    if let Some(best) = found.first() {
        text.push_str(&render(best));
    }
    for other in found.iter().skip(1) {
        let start = match &other.start {
            Start::Command(step) => step.display(),
            Start::Static { dir, .. } => format!("static {dir:?}"),
        };
        let build = other.build.as_ref().map(|build| build.display() + " && ").unwrap_or_default();
        writeln!(text, "or        {} — {}: {build}{start}", other.id, other.title).expect("memory");
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

const VITE_REACT: &str = r#"{
  "name": "vite-project", "private": true, "version": "0.0.0", "type": "module",
  "scripts": { "dev": "vite", "build": "tsc -b && vite build", "lint": "eslint .", "preview": "vite preview" },
  "dependencies": { "react": "^19.2.0", "react-dom": "^19.2.0" },
  "devDependencies": { "@vitejs/plugin-react": "^5.1.0", "typescript": "~5.9.3", "vite": "^7.2.2" }
}"#;

#[test]
fn node_front_ends() {
    sample(
        "vite-react",
        &[
            ("package.json", VITE_REACT),
            ("package-lock.json", "{}"),
            ("index.html", "<div id=root>"),
            ("src/main.tsx", ""),
            ("public/vite.svg", ""),
            ("vite.config.ts", ""),
        ],
    );
    sample(
        "vue-pnpm",
        &[
            (
                "package.json",
                r#"{"scripts":{"dev":"vite","build":"vite build"},"dependencies":{"vue":"^3.5"},"devDependencies":{"vite":"^7"},"engines":{"node":"^20.19.0 || >=22.12.0"}}"#,
            ),
            ("pnpm-lock.yaml", "lockfileVersion: '6.0'\n"),
            ("index.html", ""),
        ],
    );
    sample(
        "next",
        &[
            (
                "package.json",
                r#"{"scripts":{"dev":"next dev --turbopack","build":"next build","start":"next start"},"dependencies":{"next":"16.0.3","react":"19.2.0"}}"#,
            ),
            ("yarn.lock", "# yarn lockfile v1\n"),
            ("app/page.tsx", ""),
        ],
    );
    sample(
        "nuxt-berry",
        &[
            (
                "package.json",
                r#"{"packageManager":"yarn@4.5.0","scripts":{"dev":"nuxt dev","build":"nuxt build","postinstall":"nuxt prepare"},"dependencies":{"nuxt":"^4"}}"#,
            ),
            ("yarn.lock", "__metadata:\n  version: 8\n"),
            (".nvmrc", "v22\n"),
        ],
    );
    sample(
        "astro-bun",
        &[
            (
                "package.json",
                r#"{"scripts":{"dev":"astro dev","build":"astro build"},"dependencies":{"astro":"^5"}}"#,
            ),
            ("bun.lock", "{}"),
        ],
    );
    sample(
        "sveltekit",
        &[(
            "package.json",
            r#"{"scripts":{"dev":"vite dev","build":"vite build","preview":"vite preview"},"devDependencies":{"@sveltejs/kit":"^2","svelte":"^5","vite":"^7"}}"#,
        )],
    );
    sample(
        "angular",
        &[
            (
                "package.json",
                r#"{"scripts":{"ng":"ng","start":"ng serve","build":"ng build","watch":"ng build --watch"},"dependencies":{"@angular/core":"^21"},"devDependencies":{"@angular/cli":"^21"}}"#,
            ),
            ("package-lock.json", "{}"),
        ],
    );
    sample(
        "create-react-app",
        &[
            (
                "package.json",
                r#"{"scripts":{"start":"react-scripts start","build":"react-scripts build"},"dependencies":{"react":"18","react-scripts":"5.0.1"},"engines":{"node":"16.x"}}"#,
            ),
            ("public/index.html", ""),
        ],
    );
    sample(
        "build-only",
        &[
            (
                "package.json",
                r#"{"scripts":{"build":"esbuild src/a.js --bundle --outdir=www","dev":"tsc -w"},"devDependencies":{"esbuild":"^0.25"}}"#,
            ),
            ("src/a.js", ""),
        ],
    );
    sample(
        "vite-without-scripts",
        &[("package.json", r#"{"devDependencies":{"vite":"^7"}}"#), ("index.html", "")],
    );
}

#[test]
fn node_servers() {
    sample(
        "express",
        &[
            (
                "package.json",
                r#"{"main":"server.js","scripts":{"start":"node server.js","test":"echo no"},"dependencies":{"express":"^5.1.0"}}"#,
            ),
            ("package-lock.json", "{}"),
            ("server.js", "require('express')().listen(process.env.PORT)"),
        ],
    );
    sample(
        "no-dependencies",
        &[
            ("package.json", r#"{"scripts":{"start":"node server.js"}}"#),
            ("server.js", "http.createServer(f).listen(3000)"),
        ],
    );
    sample(
        "no-dependencies-script",
        &[
            ("package.json", r#"{"scripts":{"dev":"NODE_ENV=dev node --watch index.js"}}"#),
            ("index.js", "http.createServer(f).listen(3000)"),
        ],
    );
    sample("main-only", &[("package.json", r#"{"main":"lib/web"}"#), ("lib/web.js", "createServer(f)")]);
    sample(
        "lone-server",
        &[("server.mjs", "import http from 'node:http'\nhttp.createServer(f).listen(8080)")],
    );
    sample(
        "nest",
        &[
            (
                "package.json",
                r#"{"scripts":{"build":"nest build","start":"nest start","start:dev":"nest start --watch","start:prod":"node dist/main"},"dependencies":{"@nestjs/core":"^11","@nestjs/platform-express":"^11"}}"#,
            ),
            ("package-lock.json", "{}"),
        ],
    );
    sample(
        "typescript-server",
        &[(
            "package.json",
            r#"{"scripts":{"build":"tsc","start":"node dist/index.js"},"dependencies":{"fastify":"^5"},"devDependencies":{"typescript":"^5"}}"#,
        )],
    );
    sample(
        "node-program",
        &[("package.json", r#"{"scripts":{"start":"node main.js"}}"#), ("main.js", "console.log(1)")],
    );
    sample(
        "monorepo",
        &[
            (
                "package.json",
                r#"{"private":true,"workspaces":["packages/*"],"scripts":{"dev":"turbo dev"},"devDependencies":{"turbo":"^2"},"packageManager":"pnpm@9.12.3+sha512.aa"}"#,
            ),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
            ("packages/web/package.json", r#"{"scripts":{"dev":"vite"},"devDependencies":{"vite":"7"}}"#),
            ("packages/lib/package.json", r#"{"main":"index.js"}"#),
            ("packages/lib/index.js", "export const a = 1"),
        ],
    );
}

#[test]
fn python_projects() {
    sample(
        "flask",
        &[
            (
                "app.py",
                "from flask import Flask\n\napp = Flask(__name__)\n\n@app.route('/')\ndef index():\n    return 'hi'\n",
            ),
            ("requirements.txt", "# web\nFlask==3.1.0\n"),
            ("templates/index.html", ""),
        ],
    );
    sample(
        "flask-factory-undeclared",
        &[("wsgi.py", "import flask\ndef create_app():\n    return flask.Flask('x')\n")],
    );
    sample(
        "flask-other-name",
        &[
            ("web.py", "from flask import Flask\nserver = Flask(__name__)\n"),
            ("requirements.txt", "flask\n"),
            ("runtime.txt", "python-3.11.9\n"),
        ],
    );
    sample(
        "fastapi-package",
        &[
            ("app/__init__.py", ""),
            (
                "app/main.py",
                "from fastapi import FastAPI\nfrom .routes import r\napi: FastAPI = FastAPI(title='x')\n",
            ),
            (
                "pyproject.toml",
                "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.10,<3.13'\ndependencies = ['fastapi>=0.115', \"pydantic[email]; python_version > '3.8'\", '--evil']\n",
            ),
        ],
    );
    sample(
        "fastapi-uv",
        &[
            ("src/main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
            ("uv.lock", "version = 1\n"),
            (".python-version", "3.12\n"),
            ("pyproject.toml", "[project]\nname='x'\nversion='1'\ndependencies=['fastapi[standard]']\n"),
        ],
    );
    sample(
        "django-poetry",
        &[
            ("manage.py", "import os\nfrom django.core.management import execute_from_command_line\n"),
            ("shop/settings.py", ""),
            (
                "pyproject.toml",
                "[tool.poetry]\nname='shop'\n[tool.poetry.dependencies]\npython='^3.11'\ndjango='^5.2'\n[build-system]\nrequires=['poetry-core']\n",
            ),
            ("poetry.lock", ""),
        ],
    );
    sample(
        "streamlit",
        &[
            ("streamlit_app.py", "import streamlit as st\nst.title('x')\n"),
            ("requirements.txt", "streamlit\npandas\n"),
        ],
    );
    sample(
        "gradio-pipenv",
        &[
            ("app.py", "import gradio as gr\ndemo = gr.Interface(f, 'text', 'text')\ndemo.launch()\n"),
            ("Pipfile", "[packages]\ngradio = '*'\n"),
            ("Pipfile.lock", "{}"),
        ],
    );
    sample("plain-python", &[("main.py", "print('hello')\n"), ("util.py", "def f(): pass\n")]);
    sample(
        "python-http-server",
        &[(
            "server.py",
            "from http.server import HTTPServer\nif __name__ == '__main__':\n    HTTPServer(('', 8000), H).serve_forever()\n",
        )],
    );
}

#[test]
fn static_sites_and_mixed_projects() {
    sample(
        "static",
        &[("index.html", ""), ("about.html", ""), ("style.css", ""), ("js/app.js", "document.title = 1")],
    );
    sample(
        "static-dist-spa",
        &[("dist/index.html", ""), ("dist/assets/index-abc.js", ""), ("README.md", "")],
    );
    sample(
        "front-and-back",
        &[
            ("frontend/package.json", VITE_REACT),
            ("frontend/index.html", ""),
            ("backend/requirements.txt", "fastapi\n"),
            ("backend/main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
            ("README.md", ""),
        ],
    );
    sample(
        "procfile-python",
        &[
            (
                "Procfile",
                "web: gunicorn app:app --bind 127.0.0.1:$PORT\nworker: python worker.py\nrelease: python migrate.py\n",
            ),
            ("app.py", "from flask import Flask\napp = Flask(__name__)\n"),
            ("requirements.txt", "flask\ngunicorn\n"),
            ("worker.py", ""),
        ],
    );
    sample(
        "procfile-node",
        &[
            ("Procfile", "web: next start -p $PORT\n"),
            (
                "package.json",
                r#"{"scripts":{"build":"next build","start":"next start"},"dependencies":{"next":"16"}}"#,
            ),
            ("package-lock.json", "{}"),
        ],
    );
    sample(
        "slipway-toml-over-node",
        &[
            (
                "slipway.toml",
                "name = 'shop'\nport = 4000\nenv = { API = 'x', N = 2 }\n[network]\nallow = ['api.example.com']\n",
            ),
            ("package.json", VITE_REACT),
            ("package-lock.json", "{}"),
            ("index.html", ""),
        ],
    );
    sample(
        "slipway-toml-subfolder",
        &[
            (
                "slipway.toml",
                "workdir = 'server'\nstart = 'gunicorn app:app'\nprocesses = { jobs = ['python3', 'jobs.py'] }\n",
            ),
            ("server/app.py", "from flask import Flask\napp = Flask(__name__)\n"),
            ("server/requirements.txt", "flask\ngunicorn\n"),
        ],
    );
    sample(
        "slipway-toml-alone",
        &[
            (
                "slipway.toml",
                "image = 'golang:1.25'\nbuild = ['go', 'build', '-o', '/tmp/app', '.']\nstart = '/tmp/app --flag'\n",
            ),
            ("main.go", ""),
            ("go.mod", ""),
        ],
    );
    sample(
        "slipway-toml-static",
        &[
            ("slipway.toml", "static = { dir = './web', spa = true }\ninstall = false\n"),
            ("web/index.html", ""),
        ],
    );
}

#[test]
fn every_plan_of_the_samples_keeps_the_rules() {
    let found = project(&[
        ("package.json", VITE_REACT),
        ("index.html", ""),
        ("Procfile", "web: vite\n"),
        ("requirements.txt", "flask"),
        ("app.py", "from flask import Flask\napp = Flask('x')\n"),
        ("docs/index.html", ""),
        ("a/b/package.json", r#"{"scripts":{"dev":"x"}}"#),
    ])
    .expect("plans");
    assert!(found.len() >= 5, "{}", found.len());
    let mut ids: Vec<_> = found.iter().map(|plan| &plan.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), found.len(), "ids are unique");
    for plan in &found {
        assert!(!plan.evidence.is_empty() && plan.why.ends_with('.'), "{}", plan.id);
        assert!(!plan.env.contains_key("CI"), "{}", plan.id);
        let copy: RunPlan =
            serde_json::from_str(&serde_json::to_string(plan).expect("serialises")).expect("reads back");
        assert_eq!(&copy, plan);
    }
}

#[test]
fn installed_dependencies_in_the_archive_do_not_mislead() {
    let found = project(&[
        ("package.json", r#"{"scripts":{"start":"node server.js"},"dependencies":{"express":"5"}}"#),
        ("server.js", ".listen("),
        ("node_modules/vite/package.json", r#"{"scripts":{"dev":"vite"}}"#),
        ("node_modules/express/index.html", ""),
    ])
    .expect("plans");
    assert_eq!(found.iter().map(|plan| &*plan.id).collect::<Vec<_>>(), ["node-express"]);
    assert_eq!(found[0].language, Language::Node);
    assert!(found[0].install.is_some());
}

#[test]
fn a_manifest_that_cannot_be_read_is_named_with_its_line() {
    let refusal =
        project(&[("package.json", "{\n  \"scripts\": {,}\n}"), ("src/a.js", "")]).expect_err("broken");
    assert_eq!(refusal.code(), "manifest-invalid");
    assert!(refusal.to_string().starts_with("“package.json”, line 2: it is not valid JSON"), "{refusal}");
    let refusal =
        project(&[("slipway.toml", "start = 'x'\nprot = 1\n"), ("index.html", "")]).expect_err("broken");
    assert!(refusal.to_string().starts_with("“slipway.toml”, line 2: unknown field `prot`"), "{refusal}");
    let refusal = project(&[("slipway.toml", "port = 80\n"), ("a.txt", "")]).expect_err("nothing to start");
    assert!(refusal.to_string().contains("needs a line like: start"), "{refusal}");
    // A broken manifest beside a site that works does not stop the site.
    let found = project(&[("package.json", "{"), ("index.html", "")]).expect("a site");
    assert_eq!(found[0].id, "static");
}

#[test]
fn a_project_nobody_knows_is_described() {
    let describe = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| Raw::file(name, b"x")).collect();
        let mut source = open_good(zip(&entries));
        assert_eq!(plans(&mut source).expect("no fault"), []);
        describe_unknown(source.listing())
    };
    assert!(
        describe(&["Cargo.toml", "src/main.rs"])
            .starts_with("It looks like a Rust project, which Slipway has no run plan for yet (2 files).")
    );
    assert!(
        describe(&["a.csv", "b.csv", "notes.md"])
            .starts_with("Slipway found 3 files (mostly .csv, .md) but nothing")
    );
    assert!(describe(&["readme"]).starts_with("Slipway found 1 file but nothing"));
}
