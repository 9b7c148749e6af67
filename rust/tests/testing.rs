// SPDX-License-Identifier: MIT
//! `ipcbus::testing`: private buses, stopped time, and calls that have arrived.

mod case;

use std::sync::mpsc::channel;
use std::sync::Mutex;
use std::time::Duration;

use ipcbus::testing::{Bus, BusBuilder};
use ipcbus::{Call, Connection, Error, Message, Object, Options};

const HOUR: Duration = Duration::from_secs(3600);

/// Buses with the programs of this tree.
fn builder() -> BusBuilder {
    let build = std::env::var("B").unwrap();
    Bus::builder()
        .ipcbusd(format!("{build}/daemon/ipcbusd"))
        .servicemanager(format!("{build}/servicemanager/servicemanager"))
}

fn time_stands_still() {
    let bus = builder().manual_clock().start().unwrap();
    let server = Connection::builder().bus(bus.path()).open().unwrap();
    let client = Connection::builder().bus(bus.path()).open().unwrap();
    let (keep, kept) = channel();
    let keep = Mutex::new(keep);
    let silent = Object::new(&server, move |call: Call| {
        if call.method() == 1 {
            return call.reply(&Message::new(0));
        }
        keep.lock().unwrap().send(call).unwrap();
        Ok(())
    });
    server.register_name("demo.silent", &silent.unwrap()).unwrap();
    let serving = server.run_in_background().unwrap();
    let proxy = client.get("demo.silent").unwrap();
    let options = Options::new().timeout(HOUR);
    // So many that later ones would use a direct channel.
    for _ in 0..50 {
        proxy.call(&Message::new(1), &options).unwrap();
    }
    bus.wait_calls(0).unwrap();
    std::thread::scope(|threads| {
        let call = || proxy.call(&Message::new(2), &Options::new().timeout(HOUR)).unwrap_err();
        let calls = [threads.spawn(call), threads.spawn(call)];
        bus.wait_calls(2).unwrap();
        bus.advance(HOUR / 2).unwrap();
        bus.wait_calls(2).unwrap();
        bus.advance(HOUR / 2).unwrap();
        for call in calls {
            assert!(matches!(call.join().unwrap(), Error::DeadlineExceeded(_)));
        }
    });
    drop(kept);
    serving.stop().unwrap();
}

fn settings_apply() {
    let bus = builder().no_manager().parameter("user_files", 100).start().unwrap();
    assert!(std::path::Path::new(&bus.path()).exists());
    assert!(bus.pid() > 0);
    assert!(matches!(bus.advance(HOUR), Err(Error::Unimplemented(_))));
    assert!(matches!(bus.wait_calls(1), Err(Error::Unimplemented(_))));
    let client = Connection::builder().bus(bus.path()).open().unwrap();
    assert_eq!(client.get("demo.none").unwrap_err().code(), libc::ENOTCONN);
    assert!(!bus.fail_memory(1 << 40, 0).unwrap());
    assert!(bus.fail_memory(0, 0).unwrap());
    let path = bus.path();
    drop(bus);
    assert!(!std::path::Path::new(&path).exists());
    let wrong = Bus::builder().ipcbusd("/nowhere/ipcbusd").start();
    assert_eq!(wrong.unwrap_err().code(), libc::ENOENT);
    let wrong = builder().manager_argument("--strange").start();
    assert_eq!(wrong.unwrap_err().code(), libc::EPIPE);
    let wrong = builder().servicemanager("/bin/false").start();
    assert_eq!(wrong.unwrap_err().code(), libc::EPIPE);
}

fn main() {
    std::process::exit(case::run(&cases![
        time_stands_still
        settings_apply
    ]));
}
