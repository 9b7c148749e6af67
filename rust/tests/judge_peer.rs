// SPDX-License-Identifier: MIT
//! tests/suite/languages/judge/peer.c for Rust.

#[allow(dead_code)]
mod judge {
    include!(concat!(env!("IPCBUS_GENERATED"), "/judge.ipc.rs"));
    include!(concat!(env!("IPCBUS_GENERATED"), "/judge2.ipc.rs"));
}

use std::io::{BufReader, BufWriter, Read, Write};

use prost::Message;

fn pass<T: Message + Default>(data: &[u8]) -> Option<Vec<u8>> {
    Some(T::decode(data).ok()?.encode_to_vec())
}

fn main() -> std::io::Result<()> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut head = [0; 5];
    while input.read_exact(&mut head).is_ok() {
        let size = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let mut data = vec![0; size as usize];
        input.read_exact(&mut data)?;
        let passed = match head[0] % 4 {
            0 => pass::<judge::Small>(&data),
            1 => pass::<judge::Small2>(&data),
            2 => pass::<judge::Large>(&data),
            _ => pass::<judge::Large2>(&data),
        };
        match passed {
            Some(data) => {
                output.write_all(&(data.len() as u32).to_le_bytes())?;
                output.write_all(&data)?;
            }
            None => output.write_all(&u32::MAX.to_le_bytes())?,
        }
    }
    output.flush()
}
