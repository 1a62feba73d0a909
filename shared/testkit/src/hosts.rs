//! Instances with the options of their metadata service, and the events that tell of them.

use anyhow::{Context, Result};
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, Instance, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceType, OperatorRequest, ResourceType, Tag,
    TagSpecification,
};
use serde_json::{Value, json};

use crate::records::Recorded;
use crate::scene::{REGION, Scene};

/// How an instance is launched.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// `optional` or `required`.
    pub tokens: &'a str,
    /// The hop limit.
    pub hops: i32,
    /// `enabled` or `disabled`.
    pub endpoint: &'a str,
    /// The name of an instance profile.
    pub profile: Option<&'a str>,
    /// Its tags.
    pub tags: &'a [(&'a str, &'a str)],
    /// The service that manages it.
    pub managed_by: Option<&'a str>,
}

impl Launch<'_> {
    /// As it should be: IMDSv2 only, one hop, with an instance profile called `web`.
    pub const STRICT: Launch<'static> = Launch {
        tokens: "required",
        hops: 1,
        endpoint: "enabled",
        profile: Some("web"),
        tags: &[],
        managed_by: None,
    };
    /// The same, but IMDSv1 is answered.
    pub const OPEN: Launch<'static> = Launch { tokens: "optional", ..Self::STRICT };
}

impl Scene {
    /// Launches that many instances.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn hosts(
        &self,
        count: i32,
        launch: Launch<'_>,
        token: Option<&str>,
    ) -> Result<Vec<Instance>> {
        if let Some(profile) = launch.profile {
            self.profile(profile)?;
        }
        let tags: Vec<Tag> =
            launch.tags.iter().map(|(k, v)| Tag::builder().key(*k).value(*v).build()).collect();
        let tagged = (!tags.is_empty()).then(|| {
            vec![
                TagSpecification::builder()
                    .resource_type(ResourceType::Instance)
                    .set_tags(Some(tags))
                    .build(),
            ]
        });
        let options = InstanceMetadataOptionsRequest::builder()
            .http_tokens(HttpTokensState::from(launch.tokens))
            .http_put_response_hop_limit(launch.hops)
            .http_endpoint(InstanceMetadataEndpointState::from(launch.endpoint))
            .build();
        let profile = launch
            .profile
            .map(|name| IamInstanceProfileSpecification::builder().name(name).build());
        let answer = self
            .account
            .ec2()
            .run_instances()
            .image_id("ami-12c6146b")
            .instance_type(InstanceType::T3Micro)
            .min_count(count)
            .max_count(count)
            .subnet_id(&self.subnet)
            .metadata_options(options)
            .set_iam_instance_profile(profile)
            .set_tag_specifications(tagged)
            .set_operator(
                launch.managed_by.map(|by| OperatorRequest::builder().principal(by).build()),
            )
            .set_client_token(token.map(str::to_owned))
            .send()
            .await?;
        Ok(answer.instances.unwrap_or_default())
    }

    /// Launches one instance. Returns its id.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn host(&self, launch: Launch<'_>) -> Result<String> {
        let launched = self.hosts(1, launch, None).await?.into_iter().next();
        launched.and_then(|instance| instance.instance_id).context("no instance id")
    }

    /// An instance profile, unless it is there.
    fn profile(&self, name: &str) -> Result<()> {
        let iam = self.local.service(self.id(), REGION, "iam");
        let made = iam.form("CreateInstanceProfile", &[("InstanceProfileName", name)]);
        match made {
            Err(error) if format!("{error:?}").contains("EntityAlreadyExists") => Ok(()),
            other => other.map(drop),
        }
    }

    /// Changes the options of an instance, as somebody would: only what is given.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn options(
        &self,
        instance: &str,
        tokens: Option<&str>,
        hops: Option<i32>,
    ) -> Result<()> {
        self.account
            .ec2()
            .modify_instance_metadata_options()
            .instance_id(instance)
            .set_http_tokens(tokens.map(HttpTokensState::from))
            .set_http_put_response_hop_limit(hops)
            .send()
            .await?;
        Ok(())
    }
}

impl Recorded {
    /// `ModifyInstanceMetadataOptions`: wrapped, and only what was asked for.
    pub fn options(&self, instance: &str, asked: &Value) -> Value {
        let mut request = json!({ "InstanceId": instance });
        if let (Some(request), Some(asked)) = (request.as_object_mut(), asked.as_object()) {
            request.extend(asked.clone());
        }
        let response = json!({
            "ModifyInstanceMetadataOptionsResponse": {
                "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
                "requestId": self.event_id(),
                "instanceId": instance,
            },
        });
        let request = json!({ "ModifyInstanceMetadataOptionsRequest": request });
        self.event(&self.record("ModifyInstanceMetadataOptions", &request, &response))
    }

    /// The notification that an instance is in a state.
    pub fn state(&self, instance: &str, state: &str) -> Value {
        let detail = json!({ "instance-id": instance, "state": state });
        self.native("EC2 Instance State-change Notification", "aws.ec2", &detail)
    }

    /// An event that a service emits itself.
    pub fn native(&self, detail_type: &str, source: &str, detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": self.event_id(),
            "detail-type": detail_type,
            "source": source,
            "account": self.account,
            "time": self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.region,
            "resources": [],
            "detail": detail,
        })
    }
}
