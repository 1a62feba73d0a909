//! The AWS CLI lines of a step, run as they are printed, end where the action and its undo end.

use backstop_actions::ec2::{
    ModifyMetadataDefaults, ModifyMetadataOptions, host, metadata_defaults,
};
use backstop_core::action::Action;
use backstop_testkit::Scene;
use backstop_testkit::aws_cli::AwsCli;
use backstop_testkit::hosts::Launch;
use backstop_testkit::scene::REGION;

#[tokio::test]
async fn r1_1a_the_lines_end_where_the_action_ends() {
    let scene = Scene::new().await.unwrap();
    let account = &scene.account;
    let cli = AwsCli::at(scene.local.endpoint(), scene.id()).unwrap();
    for (require_tokens, hop_limit) in [(true, None), (true, Some(1)), (false, Some(2))] {
        let launch = Launch { hops: 4, ..Launch::OPEN };
        let mut actions = Vec::new();
        for _ in 0..2 {
            actions.push(ModifyMetadataOptions {
                account: scene.id().to_owned(),
                region: REGION.to_owned(),
                instance_id: scene.host(launch).await.unwrap(),
                require_tokens,
                hop_limit,
            });
        }
        let [by_action, by_line] = actions.as_slice() else { panic!("two") };
        let now = async |action: &ModifyMetadataOptions| {
            host(account, &action.instance_id).await.unwrap().unwrap().options
        };
        let before = by_action.observe(account).await.unwrap();
        let said = by_line.describe(&before);
        by_action.apply(account).await.unwrap();
        cli.run(&said.command).unwrap();
        assert_eq!(now(by_line).await, now(by_action).await, "{}", said.command);
        by_action.undo(account, &before).await.unwrap();
        let undo = said.undo_command.unwrap();
        cli.run(&undo).unwrap();
        assert_eq!(now(by_line).await, now(by_action).await, "{undo}");
        assert_eq!(Some(now(by_line).await), before);
    }
}

#[tokio::test]
async fn x1_1_the_lines_end_where_the_action_ends() {
    let (one, other) = (Scene::new().await.unwrap(), Scene::new().await.unwrap());
    let cli = AwsCli::at(other.local.endpoint(), other.id()).unwrap();
    for enforce in [true, false] {
        let action = ModifyMetadataDefaults {
            account: one.id().to_owned(),
            region: REGION.to_owned(),
            enforce,
        };
        let before = action.observe(&one.account).await.unwrap();
        let said = action.describe(&before);
        action.apply(&one.account).await.unwrap();
        cli.run(&said.command).unwrap();
        let now = async |scene: &Scene| metadata_defaults(&scene.account).await.unwrap();
        assert_eq!(now(&other).await, now(&one).await, "{}", said.command);
        action.undo(&one.account, &before).await.unwrap();
        let undo = said.undo_command.unwrap();
        cli.run(&undo).unwrap();
        assert_eq!(now(&other).await, now(&one).await, "{undo}");
        assert_eq!(now(&other).await, before);
    }
}
