//! The one decision about instances, from live state: T1.1, T1.2, T1.3.

use backstop_actions::ec2::{self, Host, MetadataOptions, Which};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::alert;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::Candidate;
use backstop_core::ident::ec2_arn;
use backstop_core::plan::Step;
use backstop_core::responder::Memory;
use backstop_core::text::{safe, shell};
use backstop_core::words::Urgency;

use crate::MANIFEST;
use crate::before::before;
use crate::detect::{CHANGED, HOP_LIMIT, IPV6, OPTIONAL};
use crate::judge::{HostClass, Judged, judge};
use crate::{defaults, plan, templates};

pub(crate) async fn assess(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    if let Some(told) = alert::assess(MANIFEST.alerts, candidate) {
        return Ok(told);
    }
    match candidate.signal.as_str() {
        "X1.1" => defaults::assess(candidate, account, memory).await,
        "X1.2" | "X1.3" | "X1.4" => templates::assess(candidate, account, memory).await,
        _ => instances(candidate, account, memory).await,
    }
}

/// The instances that a candidate names: one, or those of a launch by its token.
async fn read(candidate: &Candidate, account: &Account) -> Result<Vec<Host>> {
    match (candidate.all("instance_id"), candidate.all("client_token").first()) {
        ([one], _) => Ok(ec2::host(account, one).await?.into_iter().collect()),
        (_, Some(token)) => ec2::hosts(account, Some(Which::ClientToken(token))).await,
        (ids, None) => ec2::hosts(account, Some(Which::Ids(ids))).await,
    }
}

/// S1.1, S1.2, S1.3, X1.15, and a person's look at an instance.
async fn instances(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let config = &memory.config;
    if candidate.all("instance_id").is_empty() && candidate.all("client_token").is_empty() {
        return Ok(Assessment::Unknown(
            "the record does not say what it is about: CloudTrail leaves out what is too long"
                .to_owned(),
        ));
    }
    if let Some(rule) = candidate.all("config_rule").first()
        && !config.imdsv2.knows_rule(rule)
    {
        return Ok(Assessment::Compliant(format!(
            "the Config rule `{rule}` is none of those that `imdsv2.config_rules` names"
        )));
    }
    let (hosts, known) =
        futures::join!(read(candidate, account), before(memory, candidate, &candidate.resource));
    let (hosts, known) = (hosts?, known?);
    if hosts.is_empty() {
        return Ok(Assessment::Absent(format!(
            "there is no instance {} in {} {}",
            named(candidate),
            candidate.account,
            candidate.region
        )));
    }
    let mut wrong = Vec::new();
    let mut unknown = None;
    for host in hosts.iter().filter(|host| !host.is_gone()) {
        match judge(host, &config.imdsv2) {
            Ok(judged) if judged.is_wrong() => wrong.push((host, judged)),
            Ok(_) => {}
            Err(why) => unknown = Some(why),
        }
    }
    if wrong.is_empty() {
        return Ok(match unknown {
            Some(why) => Assessment::Unknown(why),
            None => nothing_wrong(candidate, &hosts, memory),
        });
    }
    let raised = changed(candidate, HOP_LIMIT);
    let mut found = Found::default();
    for (host, judged) in &wrong {
        // The inventory was asked for the one instance that the candidate is about.
        let arn = ec2_arn(&candidate.region, &candidate.account, "instance", &host.id);
        let known = known.as_ref().filter(|_| arn == candidate.resource);
        found.add(candidate, host, judged, known, raised, memory)?;
    }
    if let Some(why) = unknown {
        // One that cannot be told is not hidden by those that can.
        found.facts.push(why);
        found.urgency = Urgency::Page;
    }
    Ok(found.into_assessment(candidate))
}

/// Whether the event asked for it.
fn changed(candidate: &Candidate, word: &str) -> bool {
    candidate.all(CHANGED).iter().any(|changed| changed == word)
}

fn named(candidate: &Candidate) -> String {
    if candidate.all("client_token").is_empty() {
        candidate.all("instance_id").join(", ")
    } else {
        "of this launch".to_owned()
    }
}

/// No instance answers more than it may. Over IPv6 it may answer since the event; and what the
/// event said may only not show yet.
fn nothing_wrong(candidate: &Candidate, hosts: &[Host], memory: &Memory) -> Assessment<Account> {
    let Some(host) = hosts.iter().find(|host| !host.is_gone()) else {
        return Assessment::Compliant(format!("{} is terminated", named(candidate)));
    };
    if host.options.is_off() {
        return Assessment::Compliant("the metadata service is switched off".to_owned());
    }
    if changed(candidate, OPTIONAL) {
        return Assessment::Absent(format!("{} requires IMDSv2", host.id));
    }
    if changed(candidate, IPV6) && host.options.http_protocol_ipv6.as_deref() == Some("enabled") {
        let finding = Finding {
            signal: candidate.signal.clone(),
            title: format!("the metadata service of {} answers over IPv6 now", host.id),
            facts: vec![options_fact(host)],
            urgency: Urgency::Info,
            blast_radius: None,
            follow_up: vec![
                "a filter for 169.254.169.254 on the host does not hold for fd00:ec2::254"
                    .to_owned(),
            ],
            property: "metadata-ipv6".to_owned(),
        };
        let production = is_production(candidate, host, memory);
        let hands_off = host.managed_by.as_ref().map(|by| managed(host, by));
        return Assessment::Violation(Box::new(Violation {
            finding,
            steps: Vec::new(),
            choice: None,
            incomplete: false,
            scope: Scope { production, hands_off },
        }));
    }
    Assessment::Compliant("IMDSv2 is required, and the hop limit is allowed".to_owned())
}

fn is_production(candidate: &Candidate, host: &Host, memory: &Memory) -> bool {
    memory.config.is_production(&candidate.account, host.vpc.as_deref(), &host.tags)
}

fn managed(host: &Host, by: &str) -> String {
    format!("{} is managed by {}: EC2 lets nobody else change it", host.id, safe(by, 80))
}

/// The options of an instance, in words.
fn options_fact(host: &Host) -> String {
    let options = &host.options;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let hops = options.http_put_response_hop_limit.map_or("unknown".to_owned(), |n| n.to_string());
    let profile = host.profile.as_deref().map_or("no instance profile".to_owned(), |profile| {
        format!("instance profile {}", safe(profile, 160))
    });
    format!(
        "{} ({}): tokens {}, hop limit {hops}, endpoint {}, IPv6 {}, tags {}; {profile}",
        host.id,
        safe(&host.state, 20),
        safe(&text(&options.http_tokens), 20),
        safe(&text(&options.http_endpoint), 20),
        safe(&text(&options.http_protocol_ipv6), 20),
        safe(&text(&options.instance_metadata_tags), 20),
    )
}

/// What was found of all instances that a candidate is about.
struct Found {
    titles: Vec<String>,
    facts: Vec<String>,
    urgency: Urgency,
    radius: Vec<String>,
    follow_up: Vec<String>,
    steps: Vec<Step<Account>>,
    production: bool,
    hands_off: Option<String>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            titles: Vec::new(),
            facts: Vec::new(),
            urgency: Urgency::Info,
            radius: Vec::new(),
            follow_up: Vec::new(),
            steps: Vec::new(),
            production: false,
            hands_off: None,
        }
    }
}

impl Found {
    fn add(
        &mut self,
        candidate: &Candidate,
        host: &Host,
        judged: &Judged,
        known: Option<&MetadataOptions>,
        raised: bool,
        memory: &Memory,
    ) -> Result<()> {
        let production = is_production(candidate, host, memory);
        self.production |= production;
        if judged.exposed {
            self.titles.push(format!("IMDSv1 is answered on {}", host.id));
        }
        if let Some(hops) = judged.above {
            self.titles.push(format!("hop limit {hops} on {}", host.id));
            self.facts.push(format!(
                "{} is {}: its hop limit may be {}",
                host.id,
                judged.class.words(),
                judged.allowed
            ));
        }
        self.facts.push(options_fact(host));
        self.facts.extend(template_fact(candidate, host, memory));
        if let Some(known) = known {
            self.facts.push(before_fact(known));
        }
        let raised = raised && was_raised(judged, known);
        let launched = candidate.signal == "S1.2";
        let allowed = launched && memory.config.imdsv2.allows_template(&host.tags);
        self.urgency = self.urgency.max(urgency(host, judged, production, raised, allowed));
        self.radius.push(radius(host));
        self.follow_up.extend(follow_up(candidate, host, judged));
        self.steps.extend(plan::for_host(candidate, host, judged, known, raised)?);
        if let Some(by) = &host.managed_by {
            self.hands_off.get_or_insert_with(|| managed(host, by));
        }
        Ok(())
    }

    fn into_assessment(self, candidate: &Candidate) -> Assessment<Account> {
        /// How many a title names.
        const NAMED: usize = 2;
        let more = self.titles.len().saturating_sub(NAMED);
        let named: Vec<&str> = self.titles.iter().take(NAMED).map(String::as_str).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let mut follow_up = self.follow_up;
        follow_up.dedup();
        Assessment::Violation(Box::new(Violation {
            finding: Finding {
                signal: candidate.signal.clone(),
                title: format!("{}{more}", named.join(", ")),
                facts: self.facts,
                urgency: self.urgency,
                blast_radius: Some(self.radius.join("; ")),
                follow_up,
                property: "metadata-options".to_owned(),
            },
            steps: self.steps,
            choice: None,
            incomplete: false,
            scope: Scope { production: self.production, hands_off: self.hands_off },
        }))
    }
}

/// How soon somebody must look (T1.1, T1.2, T1.3). `allowed` says that the policy knows the
/// template that it was launched from.
fn urgency(host: &Host, judged: &Judged, production: bool, raised: bool, allowed: bool) -> Urgency {
    // A stopped instance answers nobody before somebody starts it.
    let live = !matches!(host.state.as_str(), "stopped" | "stopping");
    let of_tokens = match judged.exposed {
        true if production && live && host.profile.is_some() => Urgency::Page,
        true if !production && allowed => Urgency::Info,
        true => Urgency::Ticket,
        false => Urgency::Info,
    };
    let of_hops = match judged.above {
        Some(_) if production && live && raised => Urgency::Page,
        Some(_) => Urgency::Ticket,
        None => Urgency::Info,
    };
    of_tokens.max(of_hops)
}

/// Whether the hop limit is above what it was, as far as that is known.
fn was_raised(judged: &Judged, known: Option<&MetadataOptions>) -> bool {
    let was = known.and_then(|known| known.http_put_response_hop_limit);
    match (judged.above, was) {
        (Some(now), Some(was)) => now > was,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn before_fact(known: &MetadataOptions) -> String {
    format!(
        "before the event: tokens {}, hop limit {}",
        safe(known.http_tokens.as_deref().unwrap_or("unknown"), 20),
        known.http_put_response_hop_limit.map_or("unknown".to_owned(), |n| n.to_string())
    )
}

/// T1.2: which template an instance was launched from, and whether the policy knows it.
fn template_fact(candidate: &Candidate, host: &Host, memory: &Memory) -> Option<String> {
    let id = host.tags.get("aws:ec2launchtemplate:id")?;
    if candidate.signal != "S1.2" {
        return None;
    }
    let version = host.tags.get("aws:ec2launchtemplate:version").map_or("unknown", String::as_str);
    let allowed = memory.config.imdsv2.allows_template(&host.tags);
    Some(format!(
        "{} was launched from {} version {}, which the policy {}",
        host.id,
        safe(id, 60),
        safe(version, 20),
        if allowed { "allows" } else { "does not allow" }
    ))
}

/// Whom a change concerns.
fn radius(host: &Host) -> String {
    format!(
        "{}: software on it that speaks IMDSv1 only, and containers behind another hop, lose its \
         metadata and credentials",
        host.id
    )
}

/// What a person has to do or know.
fn follow_up(candidate: &Candidate, host: &Host, judged: &Judged) -> Vec<String> {
    let mut lines = Vec::new();
    let (account, region) = (&candidate.account, &candidate.region);
    if let Some(by) = &host.managed_by {
        lines.push(format!("{}: change it where it is managed", managed(host, by)));
    }
    if judged.exposed
        && let Some(name) = host.profile.as_deref().and_then(profile_name)
    {
        lines.push(format!(
            "look for use of its role from elsewhere: calls by the session {} with \
             `ec2RoleDelivery` 1.0, or from an address that is not its own: `aws cloudtrail \
             lookup-events --region {region} --lookup-attributes \
             AttributeKey=Username,AttributeValue={}`, in every Region in use",
            host.id, host.id
        ));
        lines.push(format!(
            "if there is any, and IMDSv2 is required again, end the sessions of its role: \
             `backstop run revoke-sessions.revoke --role-name \"$(aws iam get-instance-profile \
             --instance-profile-name {} --query 'InstanceProfile.Roles[0].RoleName' --output \
             text)\" --account {account} --region {region}`. Every instance of the role loses its \
             credentials at once",
            shell(name)
        ));
    }
    if judged.above.is_some() && judged.class != HostClass::Other {
        lines.push(format!(
            "nothing here lowers the hop limit of {}: {}",
            judged.class.words(),
            "its containers may need it"
        ));
    } else if judged.above.is_some() {
        lines.push(
            "if containers on it need another hop, name it in `imdsv2.hop_limit.host`".to_owned(),
        );
    }
    if let Some(template) = host.tags.get("aws:ec2launchtemplate:id").filter(|_| judged.exposed) {
        lines.push(format!(
            "what launches from {} next is open too: make a version from the last good one with \
             `MetadataOptions` that require tokens, and make that the default",
            safe(template, 60)
        ));
    }
    if let Some(stack) = host.tags.get("aws:cloudformation:stack-name") {
        lines.push(format!(
            "{} belongs to the CloudFormation stack `{}`: tell its owner of the drift",
            host.id,
            safe(stack, 80)
        ));
    }
    lines.push(
        "whoever opened it can do so again: an SCP that denies ec2:ModifyInstanceMetadataOptions, \
         and one that denies calls with credentials of IMDSv1 (`ec2:RoleDelivery` below 2.0), \
         outlast them"
            .to_owned(),
    );
    lines
}

/// The name of an instance profile, from its ARN.
fn profile_name(arn: &str) -> Option<&str> {
    arn.split_once(":instance-profile/").and_then(|(_, path)| path.rsplit('/').next())
}
