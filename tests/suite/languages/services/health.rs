// SPDX-License-Identifier: MIT
//! Health in Rust: `rust-health server|client NAME`.

include!(concat!(env!("GENERATED"), "/ipc.rs"));
mod service;

use grpc::health::v1::health_check_response::ServingStatus::{self, NotServing, Serving};
use grpc::health::v1::*;
use ipcbus::typed::StreamOf;
use ipcbus::{Call, Connection, Error, Options, Result};
use service::{failed, LONG};

struct Checker;

fn reply(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status as i32 }
}

impl Health for Checker {
    fn check(&self, request: HealthCheckRequest, _: &Call) -> Result<HealthCheckResponse> {
        match request.service.as_str() {
            "" => Ok(reply(Serving)),
            "db" => Ok(reply(NotServing)),
            _ => Err(Error::service("grpc.NotFound", "unknown service")),
        }
    }

    fn watch(&self, _: HealthCheckRequest, stream: StreamOf<HealthCheckResponse, ()>) -> Result<()> {
        for i in 0..4 {
            stream.send(&reply(if i % 2 == 0 { Serving } else { NotServing }), None)?;
        }
        Ok(())
    }
}

fn serve(bus: &Connection, name: &str) -> Result<()> {
    let _health = HealthServer::register(bus, name, Checker)?;
    bus.run()
}

fn call(bus: &Connection, name: &str) -> Result<()> {
    let health = HealthProxy::wait(bus, name, LONG)?;
    let request = |service: &str| HealthCheckRequest { service: service.into() };
    assert_eq!(health.check(&request(""))?, reply(Serving));
    assert_eq!(health.check(&request("db"))?, reply(NotServing));
    assert!(failed("grpc.NotFound", health.check(&request("nothing"))));
    let mut states = health.watch(&request(""), &Options::new())?;
    for i in 0..4 {
        assert_eq!(states.receive(LONG)?, Some(reply(if i % 2 == 0 { Serving } else { NotServing })));
    }
    assert_eq!(states.receive(LONG)?, None);
    Ok(())
}

fn main() -> Result<()> {
    service::service_main(serve, call)
}
