//! TLS 1.3 between two peers, each proven by its own key (the libp2p TLS specification).

use std::sync::Arc;

use libp2p::{PeerId, identity::Keypair, tls::certificate};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme, SupportedCipherSuite,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider,
        ring::{self, cipher_suite},
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::StartError;

/// What both sides must agree on besides their keys.
const ALPN: &[u8] = b"potluck/bulk/1";

/// This node's side of handshakes.
#[derive(Clone)]
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    certified: Arc<SingleCertAndKey>,
    server: Arc<ServerConfig>,
}

impl Identity {
    /// Makes a certificate for the node's key; it is good for as long as the node runs.
    pub(crate) fn new(keypair: &Keypair) -> Result<Self, StartError> {
        let failed = |error: &dyn std::fmt::Display| StartError::Transport(error.to_string());
        let (certificate, key) = certificate::generate(keypair).map_err(|e| failed(&e))?;
        let provider = Arc::new(provider());
        let certified = certified(&provider, certificate, key).map_err(|error| failed(&error))?;
        let certified = Arc::new(SingleCertAndKey::from(certified));
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| failed(&error))?
            .with_client_cert_verifier(Arc::new(Verifier { expected: None }))
            .with_cert_resolver(Arc::clone(&certified) as _);
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.enable_secret_extraction = true;
        // Nobody resumes a lane, and a ticket would come in the midst of what it carries.
        server.send_tls13_tickets = 0;
        Ok(Self {
            provider,
            certified,
            server: Arc::new(server),
        })
    }

    /// To answer a handshake.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// To begin a handshake with this peer and no other.
    pub(super) fn client(&self, peer: PeerId) -> Result<Arc<ClientConfig>, rustls::Error> {
        let verifier = Arc::new(Verifier {
            expected: Some(peer),
        });
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::clone(&self.certified) as _);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_secret_extraction = true;
        client.enable_sni = false;
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(client))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// `ring` with the cipher first that this processor does fastest.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites = suites(has_aes());
    provider
}

fn suites(aes: bool) -> Vec<SupportedCipherSuite> {
    let mut suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    ];
    if !aes {
        suites.swap(0, 1);
    }
    suites
}

fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

fn certified(
    provider: &CryptoProvider,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let key = provider.key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(vec![certificate], key))
}

/// The peer that a certificate proves. Exactly one self-signed certificate is in order.
pub(super) fn peer_of(chain: &[CertificateDer<'_>]) -> Result<PeerId, rustls::Error> {
    let [only] = chain else {
        return Err(CertificateError::UnknownIssuer.into());
    };
    let parsed = certificate::parse(only)?;
    Ok(parsed.peer_id())
}

/// Takes a certificate of the libp2p kind, from the expected peer if there is one.
#[derive(Debug)]
struct Verifier {
    expected: Option<PeerId>,
}

impl Verifier {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        if !intermediates.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let peer = peer_of(std::slice::from_ref(end_entity))?;
        match self.expected {
            Some(expected) if expected != peer => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(()),
        }
    }
}

fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let parsed = certificate::parse(certificate)?;
    parsed.verify_signature(signed.scheme, message, signed.signature())?;
    Ok(HandshakeSignatureValid::assertion())
}

fn schemes() -> Vec<SignatureScheme> {
    vec![
        SignatureScheme::ED25519,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::RSA_PSS_SHA512,
        SignatureScheme::RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_SHA256,
    ]
}

fn only_tls13() -> rustls::Error {
    rustls::PeerIncompatible::Tls13RequiredForQuic.into()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}
