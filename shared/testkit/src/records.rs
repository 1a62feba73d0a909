//! Events in the shape of the real ones, for what a scene really holds.

use aws_sdk_ec2::types::{
    HttpTokensState, Instance, InstanceMetadataEndpointState, SecurityGroupRule,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Where and when an event is recorded, and by whom the call was made.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The time of the call.
    pub time: Timestamp,
    /// The role session that made it: role name and session name.
    pub role: (String, String),
    /// A number that makes ids of events differ.
    pub n: u64,
}

impl Recorded {
    /// An event id in the form of a UUID, the same for the same number and account.
    pub fn event_id(&self) -> String {
        let digest =
            backstop_core::ident::sha256(format!("{}/{}", self.account, self.n).as_bytes());
        let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default().to_owned();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 15),
            part(15, 18),
            part(18, 30)
        )
    }

    /// A CloudTrail record of a successful EC2 call.
    pub fn record(&self, name: &str, request: &Value, response: &Value) -> Value {
        let (role, session) = &self.role;
        let account = &self.account;
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": format!("AROAEXAMPLEEXAMPLE001:{session}"),
                "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
                "accountId": account,
                "accessKeyId": "ASIAEXAMPLEEXAMPLE01",
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROAEXAMPLEEXAMPLE001",
                        "arn": format!("arn:aws:iam::{account}:role/{role}"),
                        "accountId": account,
                        "userName": role,
                    },
                    "attributes": {
                        "creationDate": self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                        "mfaAuthenticated": "false",
                    },
                },
            },
            "eventTime": self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": "ec2.amazonaws.com",
            "eventName": name,
            "awsRegion": self.region,
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "aws-cli/2.17.60 md/command#ec2",
            "requestParameters": request,
            "responseElements": response,
            "requestID": self.event_id().replacen('-', "", 1),
            "eventID": self.event_id(),
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account,
            "eventCategory": "Management",
        })
    }

    /// The record as EventBridge delivers it.
    pub fn event(&self, record: &Value) -> Value {
        json!({
            "version": "0",
            "id": self.event_id().to_uppercase(),
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.ec2",
            "account": self.account,
            "time": self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.region,
            "resources": [],
            "detail": record,
        })
    }

    /// `AuthorizeSecurityGroupIngress` in the items form, with the rule set of the answer.
    pub fn authorized(&self, group_id: &str, rules: &[SecurityGroupRule]) -> Value {
        let items: Vec<Value> = rules.iter().map(permission).collect();
        let request = json!({ "groupId": group_id, "ipPermissions": { "items": items } });
        self.event(&self.record("AuthorizeSecurityGroupIngress", &request, &self.rule_set(rules)))
    }

    /// `AuthorizeSecurityGroupIngress` as the CLI's `--protocol --port --cidr` makes it.
    pub fn authorized_flat(&self, group_id: &str, rule: &SecurityGroupRule) -> Value {
        let request = json!({
            "groupId": group_id,
            "ipPermissions": {},
            "ipProtocol": rule.ip_protocol(),
            "fromPort": rule.from_port(),
            "toPort": rule.to_port(),
            "cidrIp": rule.cidr_ipv4(),
        });
        let response = self.rule_set(std::slice::from_ref(rule));
        self.event(&self.record("AuthorizeSecurityGroupIngress", &request, &response))
    }

    fn rule_set(&self, rules: &[SecurityGroupRule]) -> Value {
        let items: Vec<Value> = rules
            .iter()
            .map(|rule| {
                let mut item = Map::new();
                let mut put = |key: &str, value: Value| {
                    if !value.is_null() {
                        item.insert(key.to_owned(), value);
                    }
                };
                put("groupOwnerId", json!(self.account));
                put("groupId", json!(rule.group_id()));
                put("securityGroupRuleId", json!(rule.security_group_rule_id()));
                put("description", json!(rule.description()));
                put("isEgress", json!(rule.is_egress().unwrap_or(false)));
                put("ipProtocol", json!(rule.ip_protocol()));
                put("fromPort", json!(rule.from_port()));
                put("toPort", json!(rule.to_port()));
                put("cidrIpv4", json!(rule.cidr_ipv4()));
                put("cidrIpv6", json!(rule.cidr_ipv6()));
                put("prefixListId", json!(rule.prefix_list_id()));
                Value::Object(item)
            })
            .collect();
        json!({
            "requestId": self.event_id(),
            "_return": true,
            "securityGroupRuleSet": { "items": items },
        })
    }

    /// `ModifySecurityGroupRules`: wrapped; one rule is an object, several are an array.
    pub fn modified(&self, group_id: &str, rules: &[SecurityGroupRule]) -> Value {
        let mut items: Vec<Value> = rules
            .iter()
            .zip(1..)
            .map(|(rule, n)| {
                let mut to = Map::new();
                let mut put = |key: &str, value: Value| {
                    if !value.is_null() {
                        to.insert(key.to_owned(), value);
                    }
                };
                put("IpProtocol", json!(rule.ip_protocol()));
                put("FromPort", json!(rule.from_port()));
                put("ToPort", json!(rule.to_port()));
                put("CidrIpv4", json!(rule.cidr_ipv4()));
                put("CidrIpv6", json!(rule.cidr_ipv6()));
                put("Description", json!(rule.description()));
                json!({
                    "SecurityGroupRuleId": rule.security_group_rule_id(),
                    "tag": n,
                    "SecurityGroupRule": to,
                })
            })
            .collect();
        let rules = if items.len() == 1 { items.remove(0) } else { json!(items) };
        let request = json!({
            "ModifySecurityGroupRulesRequest": { "GroupId": group_id, "SecurityGroupRule": rules },
        });
        let response = json!({
            "ModifySecurityGroupRulesResponse": {
                "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
                "return": true,
                "requestId": self.event_id(),
            },
        });
        self.event(&self.record("ModifySecurityGroupRules", &request, &response))
    }

    /// `RunInstances`: the answer lists what was really launched.
    pub fn launched(&self, instances: &[Instance], key_in_request: bool) -> Value {
        let key = instances.first().and_then(|i| i.key_name()).filter(|_| key_in_request);
        let mut wanted = json!({ "minCount": instances.len(), "maxCount": instances.len() });
        if let (Some(key), Some(object)) = (key, wanted.as_object_mut()) {
            object.insert("keyName".to_owned(), json!(key));
        }
        let request = json!({
            "instancesSet": { "items": [wanted] },
            "clientToken": self.event_id(),
            "instanceType": "t3.micro",
            "blockDeviceMapping": {},
            "disableApiTermination": false,
        });
        let items: Vec<Value> = instances
            .iter()
            .map(|instance| {
                let mut item = json!({
                    "instanceId": instance.instance_id(),
                    "imageId": instance.image_id(),
                    "instanceState": { "code": 0, "name": "pending" },
                    "instanceType": "t3.micro",
                    "vpcId": instance.vpc_id(),
                    "launchTime": self.time.as_millisecond(),
                    "tagSet": {},
                });
                if let (Some(key), Some(object)) = (instance.key_name(), item.as_object_mut()) {
                    object.insert("keyName".to_owned(), json!(key));
                }
                if let (Some(options), Some(object)) =
                    (instance.metadata_options(), item.as_object_mut())
                {
                    let told = json!({
                        "state": "pending",
                        "httpTokens": options.http_tokens().map(HttpTokensState::as_str),
                        "httpPutResponseHopLimit": options.http_put_response_hop_limit(),
                        "httpEndpoint": options.http_endpoint().map(InstanceMetadataEndpointState::as_str),
                    });
                    object.insert("metadataOptions".to_owned(), told);
                }
                item
            })
            .collect();
        let response = json!({
            "requestId": self.event_id(),
            "reservationId": "r-0123456789abcdef0",
            "ownerId": self.account,
            "groupSet": {},
            "instancesSet": { "items": items },
        });
        self.event(&self.record("RunInstances", &request, &response))
    }
}

fn permission(rule: &SecurityGroupRule) -> Value {
    let list = |key: &str, value: Option<&str>| match value {
        None => json!({}),
        Some(value) => {
            let mut item = json!({ key: value });
            if let (Some(description), Some(item)) = (rule.description(), item.as_object_mut()) {
                item.insert("description".to_owned(), json!(description));
            }
            json!({ "items": [item] })
        }
    };
    let mut item = json!({
        "ipProtocol": rule.ip_protocol(),
        "groups": {},
        "ipRanges": list("cidrIp", rule.cidr_ipv4()),
        "ipv6Ranges": list("cidrIpv6", rule.cidr_ipv6()),
        "prefixListIds": list("prefixListId", rule.prefix_list_id()),
    });
    if rule.ip_protocol() != Some("-1")
        && let Some(object) = item.as_object_mut()
    {
        object.insert("fromPort".to_owned(), json!(rule.from_port()));
        object.insert("toPort".to_owned(), json!(rule.to_port()));
    }
    item
}
