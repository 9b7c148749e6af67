// SPDX-License-Identifier: MIT
//! Runs cases of a program and prints TAP: `PROGRAM [CASE...]`.

use std::panic::catch_unwind;

/// A case: its name and its function.
pub type Case = (&'static str, fn());

/// Runs the cases that the command line names, or all. Returns the exit status.
pub fn run(cases: &[Case]) -> i32 {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name))
        .collect();
    let mut status = if chosen.is_empty() { 1 } else { 0 };
    println!("1..{}", chosen.len());
    for (number, (name, function)) in chosen.iter().enumerate() {
        let good = catch_unwind(function).is_ok();
        println!("{}ok {} - {name}", if good { "" } else { "not " }, number + 1);
        if !good {
            status = 1;
        }
    }
    status
}

#[macro_export]
macro_rules! cases {
    ($($name:ident)*) => { [$((stringify!($name), $name as fn())),*] };
}
