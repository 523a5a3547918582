//! What is known about Node's frameworks and scripts, as data. A new framework is a new row here and nothing else.
//! Ports and output folders are the frameworks' documented defaults.

/// Node's current long-term release; its Alpine image is the smallest official one.
pub(super) const DEFAULT_IMAGE: &str = "node:24-alpine";
/// Majors with an image worth keeping warm, best first.
pub(super) const MAJORS: &[u32] = &[24, 22, 20];

/// One framework, recognised by a package among the dependencies.
pub(super) struct Framework {
    /// The package that gives it away.
    pub(super) package: &'static str,
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Where its server listens unless told otherwise.
    pub(super) port: u16,
    /// Its own development server, for projects without a script. Empty if it has none.
    pub(super) dev: &'static [&'static str],
    /// Where its build leaves a site. Empty if a build makes a server, or a folder named after the project.
    pub(super) output: &'static str,
}

const fn row(
    package: &'static str,
    id: &'static str,
    title: &'static str,
    port: u16,
    dev: &'static [&'static str],
    output: &'static str,
) -> Framework {
    Framework { package, id, title, port, dev, output }
}

/// The first row whose package is there wins, so frameworks come before the tools they are built on.
pub(super) const FRAMEWORKS: &[Framework] = &[
    row("next", "next", "Next.js", 3000, &["next", "dev"], ""),
    row("nuxt", "nuxt", "Nuxt", 3000, &["nuxt", "dev"], ""),
    row("astro", "astro", "Astro", 4321, &["astro", "dev"], "dist"),
    row("@sveltejs/kit", "sveltekit", "SvelteKit", 5173, &["vite", "dev"], ""),
    row("@remix-run/dev", "remix", "Remix", 5173, &["remix", "vite:dev"], ""),
    row("@react-router/dev", "react-router", "React Router", 5173, &["react-router", "dev"], ""),
    row("@tanstack/react-start", "tanstack-start", "TanStack Start", 3000, &["vite", "dev"], ""),
    row("@solidjs/start", "solidstart", "SolidStart", 3000, &["vinxi", "dev"], ""),
    row("@builder.io/qwik-city", "qwik", "Qwik City", 5173, &["vite", "--mode", "ssr"], "dist"),
    row("@analogjs/platform", "analog", "Analog", 5173, &["vite"], "dist/analog/public"),
    row("@angular/cli", "angular", "Angular", 4200, &["ng", "serve"], ""),
    row("gatsby", "gatsby", "Gatsby", 8000, &["gatsby", "develop"], "public"),
    row("@docusaurus/core", "docusaurus", "Docusaurus", 3000, &["docusaurus", "start"], "build"),
    row("vitepress", "vitepress", "VitePress", 5173, &["vitepress", "dev"], ".vitepress/dist"),
    row("@11ty/eleventy", "eleventy", "Eleventy", 8080, &["eleventy", "--serve"], "_site"),
    row("hexo", "hexo", "Hexo", 4000, &["hexo", "server"], "public"),
    row("react-scripts", "cra", "Create React App", 3000, &["react-scripts", "start"], "build"),
    row("@vue/cli-service", "vue-cli", "Vue CLI", 8080, &["vue-cli-service", "serve"], "dist"),
    row("@storybook/cli", "storybook", "Storybook", 6006, &["storybook", "dev"], "storybook-static"),
    row("expo", "expo", "Expo (web)", 8081, &["expo", "start", "--web"], "dist"),
    row("@rsbuild/core", "rsbuild", "Rsbuild", 3000, &["rsbuild", "dev"], "dist"),
    row("vite", "vite", "Vite", 5173, &["vite"], "dist"),
    row("parcel", "parcel", "Parcel", 1234, &["parcel", "index.html"], "dist"),
    row("parcel-bundler", "parcel", "Parcel 1", 1234, &["parcel", "index.html"], "dist"),
    row("webpack-dev-server", "webpack", "webpack", 8080, &["webpack", "serve"], "dist"),
    row("@nestjs/core", "nest", "NestJS", 3000, &["nest", "start", "--watch"], ""),
    row("@adonisjs/core", "adonis", "AdonisJS", 3333, &["node", "ace", "serve", "--watch"], ""),
    row("@strapi/strapi", "strapi", "Strapi", 1337, &["strapi", "develop"], ""),
    row("@hono/node-server", "hono", "Hono", 3000, &[], ""),
    row("hono", "hono", "Hono", 3000, &[], ""),
    row("fastify", "fastify", "Fastify", 3000, &[], ""),
    row("koa", "koa", "Koa", 3000, &[], ""),
    row("@hapi/hapi", "hapi", "hapi", 3000, &[], ""),
    row("express", "express", "Express", 3000, &[], ""),
    row("polka", "polka", "Polka", 3000, &[], ""),
    row("restify", "restify", "Restify", 8080, &[], ""),
    row("h3", "h3", "h3", 3000, &[], ""),
    row("@apollo/server", "apollo", "Apollo Server", 4000, &[], ""),
    row("socket.io", "socket-io", "Socket.IO", 3000, &[], ""),
    row("json-server", "json-server", "JSON Server", 3000, &[], ""),
    row("live-server", "live-server", "live-server", 8080, &["live-server", "--no-browser"], ""),
    row("http-server", "http-server", "http-server", 8080, &["http-server"], ""),
    row("serve", "serve", "serve", 3000, &["serve"], ""),
];

/// What a bundler's title is completed with.
pub(super) const FACES: &[(&str, &str)] = &[
    ("react", "React"),
    ("vue", "Vue"),
    ("svelte", "Svelte"),
    ("solid-js", "Solid"),
    ("preact", "Preact"),
    ("lit", "Lit"),
    ("@builder.io/qwik", "Qwik"),
    ("three", "three.js"),
    ("phaser", "Phaser"),
];
/// Rows whose title is completed so.
pub(super) const BUNDLERS: &[&str] = &["vite", "parcel", "webpack", "rsbuild"];

/// Scripts that run the project, in order of preference.
pub(super) const RUN_SCRIPTS: &[&str] =
    &["dev", "develop", "start:dev", "dev:start", "start", "serve", "server", "preview"];
/// First words of scripts that watch or check but serve nothing, when nothing else follows in the script.
pub(super) const NOT_SERVERS: &[&str] = &[
    "tsc", "rollup", "eslint", "prettier", "jest", "vitest", "tsup", "echo", "mocha", "exit", "true", "sass",
    "esbuild",
];
/// Parts of a script that need a finished build.
pub(super) const NEEDS_BUILD: &[&str] = &[
    "next start",
    "nuxt start",
    "nuxt preview",
    "vite preview",
    "astro preview",
    "remix-serve",
    "react-router-serve",
    "gatsby serve",
    "serve -s",
    "dist/",
    "dist ",
    "build/",
    "build ",
    "./dist",
    "./build",
    ".output/",
    "out/",
    "lib/",
];
/// Lifecycle scripts that `npm install` runs, so that installing means something even without dependencies.
pub(super) const LIFECYCLE: &[&str] = &["preinstall", "install", "postinstall", "prepare"];

/// Files that start a server in projects that do not say so.
pub(super) const ENTRIES: &[&str] = &[
    "server.js",
    "server.mjs",
    "server.cjs",
    "server.ts",
    "index.js",
    "index.mjs",
    "index.cjs",
    "index.ts",
    "app.js",
    "app.mjs",
    "main.js",
    "main.mjs",
    "src/server.js",
    "src/server.mjs",
    "src/server.ts",
    "src/index.js",
    "src/index.mjs",
    "src/index.ts",
    "src/app.js",
    "src/main.js",
];
/// What the source of a server contains.
pub(super) const LISTENS: &[&str] = &[".listen(", "createServer(", "serve({", "Bun.serve(", "Deno.serve("];

/// Quiet tools: no update notices, telemetry or browser windows. `CI` is left unset, since dev servers change under it.
pub(super) const ENV: &[(&str, &str)] = &[
    ("ASTRO_TELEMETRY_DISABLED", "1"),
    ("BROWSER", "none"),
    ("DO_NOT_TRACK", "1"),
    ("GATSBY_TELEMETRY_DISABLED", "1"),
    ("NEXT_TELEMETRY_DISABLED", "1"),
    ("NG_CLI_ANALYTICS", "false"),
    ("NUXT_TELEMETRY_DISABLED", "1"),
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
];
