//! Who runs the command: the operator's own credentials, found where the AWS CLI finds them.

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use backstop_aws::Classify;
use backstop_aws::connect::{Connection, http_client};
use backstop_core::Error;
use tokio::sync::OnceCell;

use crate::environment;
use crate::exit::Failure;

/// The operator.
#[derive(Debug)]
pub(crate) struct Principal {
    connection: Connection,
    caller: OnceCell<Caller>,
}

/// What STS says about the credentials.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) arn: String,
}

impl Principal {
    /// The operator, and the way to the Region where Backstop is deployed: that of the credentials
    /// unless one is given.
    pub(crate) async fn find(home_region: Option<&str>) -> Result<Self, Failure> {
        let bundle = match environment::ca_bundle() {
            None => None,
            Some(path) => Some(std::fs::read(&path).map_err(|e| {
                Error::invalid(format!("cannot read the CA bundle `{}`: {e}", path.display()))
                    .hint("`AWS_CA_BUNDLE` names it")
            })?),
        };
        let http = http_client(bundle)?;
        let found = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http.clone())
            .load()
            .await;
        let region = home_region.or(found.region().map(AsRef::as_ref)).ok_or_else(|| {
            Error::invalid("it is not known in which Region Backstop is deployed")
                .hint("set `AWS_REGION`, choose a profile that has one, or give `--home-region`")
        })?;
        let nobody = |why: &str| {
            Error::denied(format!("no AWS credentials were found{why}"))
                .hint("sign in as for the AWS CLI: `aws sso login`, or choose `AWS_PROFILE`")
        };
        let provider = found.credentials_provider().ok_or_else(|| nobody(""))?;
        // Asked now: at the first call the SDK would only say that it was not answered.
        provider.provide_credentials().await.map_err(|error| {
            if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
                return nobody(""); // nothing is set up; else what is says what is wrong with it
            }
            nobody(&format!(": {:#}", anyhow::Error::from(error)))
        })?;
        let connection = Connection::over(region, found.endpoint_url(), provider, http);
        Ok(Self { connection, caller: OnceCell::new() })
    }

    /// The way to the home Region.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The account and the ARN of the credentials; needs no permission.
    pub(crate) async fn caller(&self) -> backstop_core::Result<&Caller> {
        let asked = async || {
            let answer = aws_sdk_sts::Client::new(&self.connection.sdk_config())
                .get_caller_identity()
                .send()
                .await
                .classed("sts:GetCallerIdentity")?;
            let (Some(account), Some(arn)) = (answer.account, answer.arn) else {
                return Err(Error::bug("`sts:GetCallerIdentity` did not say who that is"));
            };
            Ok(Caller { account, arn })
        };
        self.caller.get_or_try_init(asked).await
    }

    /// The name that the journal keeps: the one that is given, else the ARN of the credentials,
    /// else who is logged in.
    pub(crate) async fn name(&self, given: Option<&str>) -> Result<String, Failure> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        match self.caller().await {
            Ok(caller) => Ok(caller.arn.clone()),
            Err(error) => environment::user().ok_or_else(|| error.into()),
        }
    }
}
