// SPDX-License-Identifier: MIT
//! The server of examples/chat, in Rust: each member receives the lines of the other members. A
//! member leaves by dropping its listener or by dying.

include!(concat!(env!("OUT_DIR"), "/ipc.rs"));

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chat::*;
use ipcbus::typed::With;
use ipcbus::{Call, Connection, Error, Result};

#[derive(Default)]
struct Members(Mutex<BTreeMap<String, ListenerProxy>>);

impl Members {
    fn notify(&self, from: &str, text: &str) {
        let line = Line { from: from.into(), text: text.into() };
        let members = self.0.lock().unwrap().clone();
        for (_, listener) in members.iter().filter(|(name, _)| *name != from) {
            // A member that has gone, or does not serve, misses the line.
            let _ = listener.hear(&line);
        }
    }
}

struct Place {
    members: Arc<Members>,
    name: String,
}

impl Seat for Place {
    fn say(&self, request: Line, _: &Call) -> Result<()> {
        self.members.notify(&self.name, &request.text);
        Ok(())
    }
}

#[derive(Default)]
struct Room {
    members: Arc<Members>,
}

impl Room {
    /// Returns the names of the other members.
    fn enter(&self, name: &str, listener: &ListenerProxy) -> Result<Vec<String>> {
        let mut members = self.members.0.lock().unwrap();
        if members.contains_key(name) {
            return Err(Error::service("chat.Taken", format!("the name {name} is taken")));
        }
        let others = members.keys().cloned().collect();
        members.insert(name.into(), listener.clone());
        Ok(others)
    }
}

impl Chat for Room {
    fn join(&self, mut request: With<JoinRequest>, call: &Call) -> Result<With<JoinReply>> {
        let name = request.name.clone();
        let listener: ListenerProxy = request.take(request.listener)?;
        let mut reply = With::new(JoinReply::default());
        reply.others = self.enter(&name, &listener)?;
        self.members.notify(&name, "(joins)");

        let (members, left) = (self.members.clone(), name.clone());
        let watch = listener.proxy().on_death(move || {
            members.0.lock().unwrap().remove(&left);
            members.notify(&left, "(leaves)");
        })?;
        watch.detach();
        let place = Place { members: self.members.clone(), name };
        let seat = SeatServer::object(&call.connection(), place)?;
        reply.seat = Some(reply.put_object(&seat));
        Ok(reply)
    }
}

fn main() -> Result<()> {
    let bus = Connection::open()?;
    let _chat = ChatServer::register(&bus, "demo.chat", Room::default())?;
    bus.run()
}
