//! A person presses Ctrl-C.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use super::Person;

/// Lets everything through to the local AWS but an order to approve: that it keeps, and says so.
fn keeps_the_approval(endpoint: &str) -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let to = endpoint.trim_start_matches("http://").to_owned();
    let (kept, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (to, kept) = (to.clone(), kept.clone());
            std::thread::spawn(move || pass(stream.unwrap(), &to, &kept));
        }
    });
    (address, seen)
}

fn pass(mut from: TcpStream, to: &str, kept: &Sender<()>) {
    let mut onward = TcpStream::connect(to).unwrap();
    let (mut back, mut answers) = (from.try_clone().unwrap(), onward.try_clone().unwrap());
    std::thread::spawn(move || {
        drop(std::io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Both));
    });
    let mut bytes = vec![0; 65536];
    let mut keeps = false;
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        let said = &bytes[..n];
        keeps |= String::from_utf8_lossy(said).contains("\"approve\"");
        if keeps {
            let _gone = kept.send(());
        } else if onward.write_all(said).is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn whoever_interrupts_an_order_is_told_that_it_may_be_done() {
    let person = Person::on_call().await;
    let (_, incident) = person.held("web").await;
    let (endpoint, kept) = keeps_the_approval(person.scene.local.endpoint());
    let running = person
        .shell(Path::new(&crate::process::binary("backstop")))
        .env("AWS_ENDPOINT_URL", endpoint)
        .args(["approve", &incident, "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    kept.recv().unwrap();
    let interrupt = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let done = running.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("error: interrupted: what was asked for may be done"), "{said}");
    assert!(said.contains(&format!("hint: look with `backstop show {incident}`")), "{said}");
}
