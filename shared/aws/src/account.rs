//! One account in one Region, and the way into the accounts of the scope.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use aws_credential_types::provider::SharedCredentialsProvider;
use backstop_core::engine::Accounts;
use backstop_core::ident::partition;
use backstop_core::words::Lane;
use backstop_core::{Error, Result};
use jiff::{SignedDuration, Timestamp};

use crate::classify::Classify;
use crate::connect::Connection;

/// One account in one Region: what actions and assessments reach AWS through.
#[derive(Debug)]
pub struct Account {
    id: String,
    connection: Connection,
    #[cfg(feature = "ec2")]
    ec2: OnceLock<aws_sdk_ec2::Client>,
    #[cfg(feature = "iam")]
    iam: OnceLock<aws_sdk_iam::Client>,
    #[cfg(feature = "lambda")]
    lambda: OnceLock<aws_sdk_lambda::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
}

impl Account {
    /// The account `id` over that connection.
    pub fn new(id: &str, connection: Connection) -> Self {
        Self {
            id: id.to_owned(),
            connection,
            #[cfg(feature = "ec2")]
            ec2: OnceLock::new(),
            #[cfg(feature = "iam")]
            iam: OnceLock::new(),
            #[cfg(feature = "lambda")]
            lambda: OnceLock::new(),
            ssm: OnceLock::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its Region.
    pub fn region(&self) -> &str {
        self.connection.region()
    }

    /// EC2 there.
    #[cfg(feature = "ec2")]
    pub fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.ec2.get_or_init(|| aws_sdk_ec2::Client::new(&self.connection.sdk_config()))
    }

    /// IAM: the account's, whatever the Region.
    #[cfg(feature = "iam")]
    pub fn iam(&self) -> &aws_sdk_iam::Client {
        self.iam.get_or_init(|| aws_sdk_iam::Client::new(&self.connection.sdk_config()))
    }

    /// Lambda there.
    #[cfg(feature = "lambda")]
    pub fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| aws_sdk_lambda::Client::new(&self.connection.sdk_config()))
    }

    /// Systems Manager there.
    pub fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.connection.sdk_config()))
    }
}

/// The way into the accounts of the scope: the home account by the function's own credentials,
/// a member by its role `backstop-<responder>-<lane>`.
#[derive(Debug)]
pub struct Members {
    home: String,
    connection: Connection,
    responder: String,
    lane: Lane,
    open: Mutex<BTreeMap<(String, String), Opened>>,
}

#[derive(Debug, Clone)]
struct Opened {
    account: Arc<Account>,
    until: Timestamp,
}

/// How long before its expiry a session is no longer used.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

impl Members {
    /// The accounts as the function `responder` reaches them in that lane from `home`.
    pub fn new(home: &str, connection: Connection, responder: &str, lane: Lane) -> Self {
        Self {
            home: home.to_owned(),
            connection,
            responder: responder.to_owned(),
            lane,
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// A session in a member account, named after the incident so that CloudTrail there says why.
    async fn assume(
        &self,
        account: &str,
        region: &str,
        incident: &str,
    ) -> Result<(Connection, Timestamp)> {
        let role = format!(
            "arn:{}:iam::{account}:role/backstop-{}-{}",
            partition(region),
            self.responder,
            self.lane
        );
        let session: String = incident.chars().take(64).collect(); // STS's maximum
        let answer = aws_sdk_sts::Client::new(&self.connection.sdk_config())
            .assume_role()
            .role_arn(&role)
            .role_session_name(session)
            .send()
            .await
            .classed("sts:AssumeRole")
            .map_err(|e| e.context(format!("cannot work in the account {account} as `{role}`")))?;
        let given = answer
            .credentials
            .ok_or_else(|| Error::bug("`sts:AssumeRole` answered no credentials"))?;
        let until = Timestamp::from_second(given.expiration.secs()).unwrap_or(Timestamp::MIN);
        let credentials = aws_credential_types::Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            None,
            "assumed-role",
        );
        let provider = SharedCredentialsProvider::new(credentials);
        Ok((self.connection.clone().with_credentials(provider).in_region(region), until))
    }
}

#[async_trait]
impl Accounts<Account> for Members {
    async fn open(&self, account: &str, region: &str, incident: &str) -> Result<Arc<Account>> {
        let key = (account.to_owned(), region.to_owned());
        let now = Timestamp::now();
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known
            && now.duration_until(known.until) > EARLY
        {
            return Ok(known.account);
        }
        let (connection, until) = if account == self.home {
            (self.connection.clone().in_region(region), Timestamp::MAX)
        } else {
            self.assume(account, region, incident).await?
        };
        let opened = Opened { account: Arc::new(Account::new(account, connection)), until };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(key, opened.clone());
        Ok(opened.account)
    }
}
