// SPDX-License-Identifier: MIT
//! Processes that exit while a connection or call is open. Each must exit at once, with its own
//! status. `exit --end HOW` is such a process.

mod case;

use std::process::{exit, Command};
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ipcbus::{Background, Call, Connection, Message, Object, Options, Proxy, Result, Service};

const REPLY: u32 = 1;
const NEVER: u32 = 2;
const EXIT: u32 = 3;
const STATUS: i32 = 7;

struct Desk {
    kept: Mutex<Vec<Call>>,
    arrived: Mutex<Sender<()>>,
}

impl Service for Desk {
    fn serve(&self, call: Call) -> Result<()> {
        match call.method() {
            REPLY => return call.reply(&Message::new(0)),
            EXIT => exit(STATUS),
            _ => self.kept.lock().unwrap().push(call),
        }
        self.arrived.lock().unwrap().send(()).unwrap();
        Ok(())
    }
}

struct Bus {
    desk: Proxy,
    _client: Background,
    _server: Background,
}

/// A server and a client, and a function that waits until a call is kept.
fn open() -> (Bus, impl Fn()) {
    let (sender, arrived) = channel();
    let server = Connection::open().unwrap();
    let desk = Desk { kept: Mutex::default(), arrived: Mutex::new(sender) };
    let object = Object::builder(&server).interface("test.Exit").create(desk).unwrap();
    server.register_name("test.exit", &object).unwrap();
    let client = Connection::open().unwrap();
    let desk = client.get("test.exit").unwrap();
    let _server = server.run_in_background().unwrap();
    let _client = client.run_in_background().unwrap();
    desk.call(&Message::new(REPLY), &Options::new()).unwrap();
    let wait = move || arrived.recv_timeout(Duration::from_secs(10)).unwrap();
    (Bus { desk, _client, _server }, wait)
}

fn block(desk: &Proxy, method: u32) {
    let desk = desk.clone();
    // The call may fail when the connection closes, and the thread may end before that.
    std::thread::spawn(move || desk.call(&Message::new(method), &Options::new()).is_ok());
}

/// The actions of this process before main() returns with STATUS, or exits.
fn end(how: &str) {
    let (bus, wait) = open();
    match how {
        "blocked" => {
            block(&bus.desk, NEVER);
            wait();
        }
        "blocked exit" => {
            block(&bus.desk, NEVER);
            wait();
            exit(STATUS);
        }
        "future" => {
            let future = bus.desk.call_async(&Message::new(NEVER), &Options::new()).unwrap();
            wait();
            drop(bus);
            drop(future);
        }
        "forgotten" => {
            let future = bus.desk.call_async(&Message::new(NEVER), &Options::new()).unwrap();
            wait();
            std::mem::forget(future);
            std::mem::forget(bus);
        }
        "watches" => {
            std::mem::forget(bus.desk.on_death(|| ()).unwrap());
        }
        "handler" => {
            block(&bus.desk, EXIT);
            std::thread::sleep(Duration::from_secs(60));
        }
        _ => unreachable!(),
    }
}

fn ends_at_once(how: &str) {
    let began = Instant::now();
    let mut child =
        Command::new(std::env::current_exe().unwrap()).args(["--end", how]).spawn().unwrap();
    while began.elapsed() < Duration::from_secs(30) {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(STATUS), "{status}");
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("it does not end");
}

fn main_returns_beside_a_blocked_call() {
    ends_at_once("blocked");
}

fn exit_does_not_wait_for_a_blocked_call() {
    ends_at_once("blocked exit");
}

fn main_returns_beside_a_future() {
    ends_at_once("future");
}

fn what_is_forgotten_holds_nothing_up() {
    ends_at_once("forgotten");
}

fn watches_may_be_forgotten() {
    ends_at_once("watches");
}

fn a_handler_may_exit() {
    ends_at_once("handler");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() == 3 && arguments[1] == "--end" {
        end(&arguments[2]);
        exit(STATUS);
    }
    exit(case::run(&cases![
        main_returns_beside_a_blocked_call
        exit_does_not_wait_for_a_blocked_call
        main_returns_beside_a_future
        what_is_forgotten_holds_nothing_up
        watches_may_be_forgotten
        a_handler_may_exit
    ]))
}
