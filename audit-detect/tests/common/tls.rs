//! A TLS server with a certificate of its own.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a client is served on.
pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A listening server, and its certificate in a file.
pub(crate) struct TlsServer {
    pub(crate) port: u16,
    pub(crate) ca_file: PathBuf,
    _dir: tempfile::TempDir,
}

/// Serves each client on a thread with `serve`, under a certificate for `name`.
pub(crate) fn server(name: &str, serve: impl Fn(Stream) + Send + Sync + 'static) -> TlsServer {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let dir = tempfile::tempdir().expect("a directory");
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).expect("the certificate's file");
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a server's configuration");
    let (config, serve) = (Arc::new(config), Arc::new(serve));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(StreamOwned::new(connection, stream)));
        }
    });
    TlsServer { port, ca_file, _dir: dir }
}
