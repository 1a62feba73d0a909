//! How AWS is reached: one HTTP client for every service, opened once.
//!
//! Not the system's root store: reading it costs more instructions at start than all the rest
//! together. AWS's endpoints chain to the five roots that are bundled (Amazon Trust Services).

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::Region;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use backstop_core::words::Lane;
use backstop_core::{Error, Result};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Amazon Root CA 1 to 4 and Starfield Services Root G2.
const AMAZON_ROOTS: &[u8] = include_bytes!("../roots/amazon.pem");

/// The longest that one operation may take, its retries included. Shorter than a lease.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest that it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Credentials as the environment gives them: no chain, which would cost start-up time and could
/// find others than the function's own.
#[derive(Clone)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A CA bundle that holds certificates and nothing that is none. The SDK would trust nobody with an
/// empty one, and panic over a broken one.
fn checked(bundle: Vec<u8>) -> Result<Vec<u8>> {
    let hint = "`AWS_CA_BUNDLE` names a file of PEM certificates";
    let certificates = CertificateDer::pem_slice_iter(&bundle)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| Error::invalid(format!("cannot read the CA bundle: {e}")).hint(hint))?;
    if certificates.is_empty() {
        return Err(Error::invalid("the CA bundle holds no certificate").hint(hint));
    }
    Ok(bundle)
}

/// An HTTP client for every service, ready to speak TLS.
///
/// # Errors
/// `Invalid` if the CA bundle holds no certificate.
pub fn http_client(ca_bundle: Option<Vec<u8>>) -> Result<SharedHttpClient> {
    let roots = match ca_bundle {
        Some(bundle) => checked(bundle)?,
        None => AMAZON_ROOTS.to_vec(),
    };
    let roots = TrustStore::empty().with_pem_certificate(roots);
    let tls = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .map_err(|e| Error::invalid(format!("cannot trust the CA bundle: {e}")))?;
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let connector = Connector::builder()
        .connector_settings(settings)
        .sleep_impl(TokioSleep::new())
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build();
    // The SDK's own client would set TLS up once for each service, throw that away, and do it
    // again at the first call. This one is ready, and every service gets it.
    let connector = SharedHttpConnector::new(connector);
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// A way to AWS: where, as whom, over what.
#[derive(Clone, Debug)]
pub struct Connection {
    region: String,
    endpoint: Option<String>,
    credentials: SharedCredentialsProvider,
    http: SharedHttpClient,
    attempts: u32,
    first_pause: Option<Duration>,
    app_name: Option<AppName>,
}

impl Connection {
    /// A connection with the environment's credentials. `ca_bundle` is the content of the file
    /// that `AWS_CA_BUNDLE` names.
    ///
    /// # Errors
    /// `Invalid` if the CA bundle holds no certificate.
    pub fn open(
        region: &str,
        endpoint: Option<&str>,
        credentials: &Credentials,
        ca_bundle: Option<Vec<u8>>,
    ) -> Result<Self> {
        let provider = aws_credential_types::Credentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "environment",
        );
        // A plain-HTTP endpoint, such as a local one, needs no TLS set up at all.
        let http = if endpoint.is_some_and(|e| e.starts_with("http://")) {
            Builder::new().build_http()
        } else {
            http_client(ca_bundle)?
        };
        Ok(Self::over(region, endpoint, SharedCredentialsProvider::new(provider), http))
    }

    /// A connection over that HTTP client, with credentials from anywhere.
    pub fn over(
        region: &str,
        endpoint: Option<&str>,
        credentials: SharedCredentialsProvider,
        http: SharedHttpClient,
    ) -> Self {
        Self {
            region: region.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            credentials,
            http,
            attempts: 3,
            first_pause: None,
            app_name: None,
        }
    }

    /// The same connection over another HTTP client: tests inject faults there.
    #[must_use]
    pub fn with_http(mut self, http: SharedHttpClient) -> Self {
        self.http = http;
        self
    }

    /// The HTTP client.
    pub fn http(&self) -> SharedHttpClient {
        self.http.clone()
    }

    /// The same connection with that many attempts per operation; 1 turns retries off.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The same connection with a shorter pause before the first retry; each further one doubles.
    #[must_use]
    pub fn with_first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = Some(pause);
        self
    }

    /// The same connection for one lane of a responder: every call names it in its user agent, and
    /// so does the record that CloudTrail makes of it.
    ///
    /// # Errors
    /// `Bug` if the responder's name may not stand in a user agent.
    pub fn for_lane(mut self, responder: &str, lane: Lane) -> Result<Self> {
        let name = AppName::new(format!("backstop-{responder}-{lane}"))
            .map_err(|e| Error::bug(format!("`{responder}` cannot be named in calls: {e}")))?;
        self.app_name = Some(name);
        Ok(self)
    }

    /// The same connection as another principal.
    #[must_use]
    pub fn with_credentials(mut self, credentials: SharedCredentialsProvider) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same connection to another Region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The Region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What a service's client is built from.
    pub fn sdk_config(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(OPERATION_TIMEOUT)
            .operation_attempt_timeout(Duration::from_secs(5))
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let mut retries = RetryConfig::standard().with_max_attempts(self.attempts);
        if let Some(pause) = self.first_pause {
            retries = retries.with_initial_backoff(pause);
        }
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .http_client(self.http.clone())
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .timeout_config(timeouts)
            .retry_config(retries);
        config.set_app_name(self.app_name.clone());
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        config.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_bundle_without_certificates_is_refused_and_named() {
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".to_vec();
        for (bundle, said) in [
            (Vec::new(), "the CA bundle holds no certificate"),
            (b"no PEM at all".to_vec(), "the CA bundle holds no certificate"),
            (broken, "cannot read the CA bundle: "),
        ] {
            let error = checked(bundle).unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
            assert!(error.hint_text().is_some());
        }
        assert!(checked(AMAZON_ROOTS.to_vec()).is_ok(), "the bundled roots are certificates");
    }
}
