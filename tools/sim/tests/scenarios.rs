//! Two hundred nodes in each scenario, several seeds each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

use std::time::Duration;

use potluck_sim::{Config, Scenario, Summary, run};

fn config(scenario: Scenario, seed: u64) -> Config {
    Config {
        scenario,
        seed,
        pieces: 48,
        ..Config::default()
    }
}

/// Runs a few seeds. Nodes that are left incomplete, broken invariants and bans of honest nodes fail the run itself.
fn all_finish(scenario: Scenario, seeds: u64) -> Vec<Summary> {
    let run_one = |seed| match run(&config(scenario, seed)) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed} failed {failure}"),
    };
    (1..=seeds).map(run_one).collect()
}

#[test]
fn a_flash_crowd_ends_near_the_fluid_bound() {
    for summary in all_finish(Scenario::Swarm, 3) {
        assert_eq!(summary.finished, 200, "{summary}");
        // With so few pieces the time in which the first ones spread counts heavily.
        let spread = Duration::from_secs(3);
        assert!(
            summary.last < summary.fluid_bound.mul_f64(1.2) + spread,
            "{summary}"
        );
        assert!(summary.seed_copies < 2.0, "{summary}");
        assert!(summary.waste() < 0.03, "{summary}");
        assert_eq!(summary.bans, 0);
    }
}

#[test]
fn those_who_leave_and_return_finish_too() {
    for summary in all_finish(Scenario::Churn, 3) {
        assert_eq!(summary.finished, 200, "{summary}");
        assert!(summary.waste() < 0.05, "{summary}");
    }
}

#[test]
fn liars_are_caught_and_honest_nodes_are_not() {
    for summary in all_finish(Scenario::Liars, 3) {
        assert!(summary.finished < 200 && summary.bans > 0, "{summary}");
        assert!(summary.waste() < 0.06, "{summary}");
    }
}

#[test]
fn silence_is_survived() {
    for summary in all_finish(Scenario::Stall, 3) {
        assert_eq!(summary.finished, 200, "{summary}");
        assert!(summary.waste() < 0.05, "{summary}");
    }
}

#[test]
fn a_partition_heals() {
    for summary in all_finish(Scenario::Partition, 2) {
        assert_eq!(summary.finished, 200, "{summary}");
    }
}

#[test]
fn one_seed_gives_one_history() {
    for scenario in Scenario::ALL {
        let config = |seed| Config {
            peers: 40,
            loss_ppm: 500,
            ..config(scenario, seed)
        };
        let first = run(&config(5)).unwrap();
        assert_eq!(first, run(&config(5)).unwrap(), "{scenario}");
        assert_ne!(first.trace, run(&config(6)).unwrap().trace, "{scenario}");
    }
}

#[test]
fn a_failure_says_how_to_see_it_again() {
    let config = Config {
        latency: Duration::from_secs(1000),
        peers: 2,
        ..Config::default()
    };
    let failure = run(&config).unwrap_err();
    assert!(failure.what.contains("not finished in time"), "{failure}");
    assert!(
        failure
            .command
            .contains("--peers 2 --seed 1 --pieces 256 --scenario swarm")
    );
    assert!(
        failure
            .to_string()
            .contains("replay: cargo run -p potluck-sim"),
        "{failure}"
    );
}

#[test]
fn the_summary_is_one_line_of_json() {
    let config = Config {
        peers: 3,
        pieces: 4,
        ..Config::default()
    };
    let json = run(&config).unwrap().to_json();
    assert!(json.starts_with('{') && json.ends_with('}') && !json.contains('\n'));
    assert_eq!(json.matches('"').count() % 2, 0);
    assert!(json.contains("\"finished\":3,"));
}
