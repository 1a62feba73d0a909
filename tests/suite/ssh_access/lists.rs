//! R2.1a: the source is a prefix list. A rule never says what is in one.

use backstop_core::words::{Class, Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;

use super::deliver;

/// The incident of TCP 22 from a list, and what people were told.
async fn opened(
    scene: &Scene,
    name: &str,
    list: &str,
    how: &How,
) -> (backstop_core::report::Reported, String) {
    let group = scene.group(name).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, list)).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();
    let incident = deliver(scene, how, &event).await.unwrap();
    let told = scene.notices(mark).unwrap().into_iter().next().map(|(_, text)| text);
    assert!(scene.changes(mark).unwrap().is_empty(), "{name}: never unattended");
    (incident, told.unwrap_or_default())
}

#[tokio::test]
async fn r2_1a_a_prefix_list_is_judged_by_what_it_holds() {
    let scene = Scene::new().await.unwrap();
    let how = How::default().and("[ssh-access]\ncorporate_cidrs = [\"203.0.113.0/24\"]\n");
    for (name, cidrs, urgency, said) in [
        ("world", vec!["0.0.0.0/0"], Urgency::Page, "holds every IPv4 address"),
        ("halves", vec!["0.0.0.0/1", "128.0.0.0/1"], Urgency::Page, "holds every IPv4 address"),
        ("one", vec!["10.0.0.0/8", "198.51.100.7/32"], Urgency::Page, "holds 16777217 IPv4"),
        ("inside", vec!["10.0.0.0/8"], Urgency::Ticket, "holds 16777216 IPv4 addresses"),
        ("ours", vec!["203.0.113.0/25", "10.1.0.0/16"], Urgency::Ticket, "holds 65664 IPv4"),
        ("empty", vec![], Urgency::Ticket, "holds no address"),
    ] {
        let list = scene.prefix_list(name, &cidrs).await.unwrap();
        let (incident, told) = opened(&scene, name, &list, &how).await;
        assert_eq!(incident.outcome, Some(Outcome::Held), "{name}: {}", incident.reason);
        assert_eq!(incident.urgency, urgency, "{name}: {told}");
        assert_eq!(incident.steps[0].class, Class::Approval, "{name}");
        assert!(told.contains(said), "{name}: {told}");
        assert!(told.contains(&format!("`{name}` of {}", scene.id())), "{name}: {told}");
    }
}

#[tokio::test]
async fn r2_1a_every_page_of_a_prefix_list_is_read() {
    let scene = Scene::new().await.unwrap();
    let inside: Vec<String> = (0..40).map(|n| format!("10.7.{n}.0/24")).collect();
    let mut cidrs: Vec<&str> = inside.iter().map(String::as_str).collect();
    cidrs.push("198.51.100.0/24"); // on the last page
    let list = scene.prefix_list("long", &cidrs).await.unwrap();
    let mark = scene.mark().unwrap();
    let (incident, told) = opened(&scene, "long", &list, &How::default()).await;
    let pages = scene.calls(mark).unwrap();
    let pages = pages.iter().filter(|c| c.operation == "GetManagedPrefixListEntries").count();
    assert!(pages >= 2, "{pages} pages");
    assert_eq!(incident.urgency, Urgency::Page, "{told}");
}

#[tokio::test]
async fn r2_1a_an_acceptable_list_is_accepted_for_as_long_as_it_is_narrow() {
    let scene = Scene::new().await.unwrap();
    let offices = scene.prefix_list("offices", &["203.0.113.0/24"]).await.unwrap();
    let how =
        How::default().and(&format!("[ssh-access]\nacceptable_prefix_lists = [\"{offices}\"]\n"));
    let (incident, told) = opened(&scene, "narrow", &offices, &how).await;
    assert_eq!(incident.outcome, Some(Outcome::Compliant), "{told}");

    // Every port of it is more than the policy accepts.
    let group = scene.group("every port").await.unwrap();
    let rule = scene.allow(&group, Allow::range(0, 65535, &offices)).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);

    // Whoever may change the list may open port 22 with it.
    let world = scene.prefix_list("wide", &["0.0.0.0/1", "128.0.0.0/1"]).await.unwrap();
    let how =
        How::default().and(&format!("[ssh-access]\nacceptable_prefix_lists = [\"{world}\"]\n"));
    let (incident, told) = opened(&scene, "wide", &world, &how).await;
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.urgency, Urgency::Page, "{told}");
}

#[tokio::test]
async fn r2_1a_a_list_that_cannot_be_read_is_neither_safe_nor_guilty() {
    let scene = Scene::new().await.unwrap();
    let list = scene.prefix_list("hidden", &["10.0.0.0/8"]).await.unwrap();
    let how =
        How::default().and(&format!("[ssh-access]\nacceptable_prefix_lists = [\"{list}\"]\n"));
    scene
        .local
        .fail(scene.id(), "ec2", "GetManagedPrefixListEntries", 1, 403, "UnauthorizedOperation")
        .unwrap();
    let (incident, told) = opened(&scene, "hidden", &list, &how).await;
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.urgency, Urgency::Page);
    assert!(told.contains(&format!("{list} cannot be read: ")), "{told}");
    assert!(told.contains("access denied"), "{told}");
}

#[tokio::test]
async fn r2_1a_lists_are_read_only_where_a_rule_for_ssh_names_one() {
    let scene = Scene::new().await.unwrap();
    let list = scene.prefix_list("web", &["0.0.0.0/0"]).await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, &list)).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    let calls = scene.calls(mark).unwrap();
    assert!(!calls.iter().any(|c| c.operation.contains("PrefixList")), "it costs no round trip");
}

#[tokio::test]
async fn r2_1a_ec2_instance_connect_is_a_deliberate_path() {
    let scene = Scene::new().await.unwrap();
    let managed = async |name: &str| {
        let lists = scene.account.ec2().describe_managed_prefix_lists().send().await.unwrap();
        let mut lists = lists.prefix_lists.unwrap_or_default().into_iter();
        lists.find(|l| l.prefix_list_name() == Some(name)).unwrap().prefix_list_id.unwrap()
    };
    let connect = managed("com.amazonaws.eu-west-1.ec2-instance-connect").await;
    let (incident, told) = opened(&scene, "connect", &connect, &How::default()).await;
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.urgency, Urgency::Ticket, "{told}");
    assert!(told.contains("it is EC2 Instance Connect's"), "{told}");
    // Another list that AWS owns admits the public.
    let edge = managed("com.amazonaws.global.cloudfront.origin-facing").await;
    let (incident, told) = opened(&scene, "edge", &edge, &How::default()).await;
    assert_eq!(incident.urgency, Urgency::Page, "{told}");
}
