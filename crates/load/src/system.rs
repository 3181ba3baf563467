//! The systems under test and their configuration files: nginx and HAProxy pass every charger on to one backoffice;
//! `ocpp-proxy` has a leader and followers.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::certificates::Certificates;
use crate::under_test::{UnderTest, free_address};

/// What stands between chargers and backoffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Nothing.
    Direct,
    /// Debian's nginx.
    Nginx,
    /// Debian's HAProxy.
    Haproxy,
    /// This program, with so many followers besides the leader.
    Proxy {
        /// How many.
        followers: usize,
        /// Whether the message log is written.
        log: bool,
    },
}

impl System {
    /// What tables call it.
    pub fn name(self) -> String {
        match self {
            System::Direct => "direct".to_owned(),
            System::Nginx => "nginx 1:1".to_owned(),
            System::Haproxy => "HAProxy 1:1".to_owned(),
            System::Proxy { followers, log } => {
                format!("ocpp-proxy 1+{}, log {}", followers + 1, if log { "on" } else { "off" })
            }
        }
    }

    /// How many backoffices a charger has.
    pub fn backoffices(self) -> usize {
        match self {
            System::Proxy { followers, .. } => followers + 1,
            _ => 1,
        }
    }
}

/// Where programs and files are.
#[derive(Debug)]
pub struct Places<'a> {
    /// The program `ocpp-proxy`.
    pub proxy: &'a Path,
    /// For configuration files and stores; a disk like that of a real installation.
    pub folder: &'a Path,
    /// The core that is the systems' own.
    pub core: Option<usize>,
    /// TLS on every hop.
    pub certificates: &'a Certificates,
}

impl System {
    /// Starts it between chargers and these backoffices, TLS on every hop or none; `name` is of its own folder. `None`
    /// when there is nothing to start.
    pub fn start(
        self,
        places: &Places<'_>,
        name: &str,
        backoffices: &[SocketAddr],
        over_tls: bool,
        traced: Option<&Path>,
    ) -> Result<Option<UnderTest>> {
        let folder = places.folder.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let address = free_address()?;
        let tls = over_tls.then_some(places.certificates);
        let admin = free_address()?;
        let (program, file, text) = match self {
            System::Direct => return Ok(None),
            System::Nginx => (found("nginx"), "nginx.conf", nginx(&folder, address, backoffices[0], tls)),
            System::Haproxy => (found("haproxy"), "haproxy.cfg", haproxy(address, backoffices[0], tls)),
            System::Proxy { log, .. } => {
                (places.proxy.to_owned(), "proxy.toml", proxy([address, admin], backoffices, log, tls))
            }
        };
        let path = folder.join(file);
        fs::write(&path, text)?;
        let path = path.display().to_string();
        let prefix = folder.display().to_string();
        let arguments: &[&str] = match self {
            System::Nginx => &["-p", &prefix, "-c", &path, "-e", "stderr"],
            System::Haproxy => &["-db", "-f", &path],
            _ => &["run", "--config", &path],
        };
        let mut under_test = UnderTest::start(&program, arguments, &folder, address, places.core, traced)?;
        under_test.metrics = matches!(self, System::Proxy { .. }).then_some(admin);
        Ok(Some(under_test))
    }
}

/// Debian puts servers where only root looks.
fn found(program: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(program);
    if path.exists() { path } else { program.into() }
}

fn nginx(folder: &Path, address: SocketAddr, backoffice: SocketAddr, tls: Option<&Certificates>) -> String {
    let (folder, listen, scheme) =
        (folder.display(), if tls.is_some() { " ssl" } else { "" }, scheme("http", tls));
    let tls = tls.map_or_else(String::new, |tls| {
        format!(
            "    ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.3;\n    \
             proxy_ssl_protocols TLSv1.3;\n    proxy_ssl_verify on;\n    proxy_ssl_trusted_certificate {};\n    \
             proxy_ssl_name localhost;\n    proxy_ssl_server_name on;\n",
            tls.chain.display(),
            tls.key.display(),
            tls.authority.display()
        )
    });
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\npid {folder}/pid;\n\
         error_log stderr crit;\nevents {{ worker_connections 19000; }}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
         server {{\n    listen {address}{listen} backlog=4096;\n{tls}    location / {{\n      \
         proxy_pass {scheme}://{backoffice};\n      proxy_http_version 1.1;\n      \
         proxy_set_header Upgrade $http_upgrade;\n      proxy_set_header Connection upgrade;\n      \
         proxy_read_timeout 1h;\n      proxy_send_timeout 1h;\n      proxy_buffer_size 4k;\n    }}\n  }}\n}}\n"
    )
}

fn haproxy(address: SocketAddr, backoffice: SocketAddr, tls: Option<&Certificates>) -> String {
    let (bind, server) = tls.map_or_else(Default::default, |tls| {
        (
            format!(" ssl crt {} ssl-min-ver TLSv1.3", tls.both.display()),
            format!(
                " ssl verify required ca-file {} verifyhost localhost sni str(localhost) ssl-min-ver TLSv1.3",
                tls.authority.display()
            ),
        )
    });
    format!(
        "global\n  maxconn 9000\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  \
         timeout server 1h\n  timeout tunnel 1h\nfrontend chargers\n  bind {address}{bind} backlog 4096\n  \
         default_backend backoffice\nbackend backoffice\n  server one {backoffice}{server}\n"
    )
}

fn proxy(
    [address, admin]: [SocketAddr; 2],
    backoffices: &[SocketAddr],
    log: bool,
    tls: Option<&Certificates>,
) -> String {
    let mut text = match tls {
        None => format!("[listen]\nchargers = \"{address}\"\nadmin = \"{admin}\"\n"),
        Some(tls) => format!(
            "[listen]\nchargers = \"off\"\nadmin = \"{admin}\"\n[listen.tls]\nchargers = \"{address}\"\n\
             certificates = [{{ chain = {:?}, key = {:?} }}]\n",
            tls.chain, tls.key
        ),
    };
    text += "[store]\npath = \"store.db\"\n[portal]\nlisten = \"off\"\n";
    if !log {
        text += "[log]\nmessages = false\n";
    }
    for (position, backoffice) in backoffices.iter().enumerate() {
        text += &format!(
            "[backoffices.{}]\nurl = \"{}://{backoffice}/{{charger}}\"\n",
            backoffice_name(position),
            scheme("ws", tls)
        );
        if let Some(tls) = tls {
            text += &format!("ca_file = {:?}\n", tls.authority);
        }
    }
    let followers: Vec<String> = (1..backoffices.len())
        .map(|position| format!("{{ backoffice = \"{}\", role = \"control\" }}", backoffice_name(position)))
        .collect();
    text += &format!(
        "[[chargers]]\nmatch = \"L*\"\nunknown_chargers = \"admit\"\nleader = \"{}\"\nfollowers = [{}]\n",
        backoffice_name(0),
        followers.join(", ")
    );
    text
}

fn backoffice_name(position: usize) -> String {
    if position == 0 { "leader".to_owned() } else { format!("follower{position}") }
}

fn scheme(plain: &str, tls: Option<&Certificates>) -> String {
    format!("{plain}{}", if tls.is_some() { "s" } else { "" })
}
