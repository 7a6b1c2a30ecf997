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
        pieces: 192,
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

/// A swarm as large as they come, run once.
fn thousand(scenario: Scenario) -> Summary {
    let config = Config {
        peers: 1_000,
        pieces: 512,
        up: 2_500_000,
        down: 5_000_000,
        away_seconds: 1..5,
        check_every: 20_000,
        scenario,
        ..Config::default()
    };
    run(&config).unwrap_or_else(|failure| panic!("failed {failure}"))
}

#[test]
fn a_thousand_end_near_the_fluid_bound() {
    let summary = thousand(Scenario::Swarm);
    assert_eq!(summary.finished, 1_000, "{summary}");
    assert!(summary.ratio() <= 1.2, "{summary}");
    assert!(summary.waste() < 0.02, "{summary}");
}

#[test]
fn a_thousand_of_whom_many_leave_and_return_end_in_half_as_much_again() {
    let summary = thousand(Scenario::Churn);
    assert_eq!(summary.finished, 1_000, "{summary}");
    assert!(summary.ratio() <= 1.5, "{summary}");
}

#[test]
fn a_thousand_whose_seed_leaves_finish() {
    let summary = thousand(Scenario::Orphaned);
    assert_eq!(summary.finished, 1_000, "{summary}");
    assert!(summary.seed_copies < 1.25, "{summary}");
}

#[test]
fn small_swarms_end_near_the_fluid_bound_and_spare_the_seed() {
    for peers in [8, 16, 32] {
        for seed in 1..=3 {
            let config = Config {
                peers,
                seed,
                ..Config::default()
            };
            let summary = run(&config).unwrap();
            assert!(summary.ratio() <= 1.15, "{summary}");
            assert!(summary.seed_copies <= 1.15, "{summary}");
            assert!(summary.waste() <= 0.01, "{summary}");
        }
    }
}

#[test]
fn slow_links_among_fast_ones_are_no_drag() {
    for peers in [8, 32, 100] {
        for seed in 1..=2 {
            let config = Config {
                peers,
                seed,
                scenario: Scenario::Uneven,
                ..Config::default()
            };
            let summary = run(&config).unwrap();
            assert!(summary.ratio() <= 1.3, "{summary}");
        }
    }
}

/// Upload is scarce in a swarm that runs already: everyone has what others want.
#[test]
fn who_only_takes_gets_little_of_strangers_and_contacts_keep_theirs() {
    for peers in [40, 100] {
        for seed in 1..=3 {
            let config = Config {
                peers,
                seed,
                scenario: Scenario::Takers,
                ..Config::default()
            };
            let summary = run(&config).unwrap();
            let shares = summary.shares;
            assert!(shares.taker <= 0.1 * shares.giver, "{summary}");
            assert!(shares.contact >= shares.giver, "{summary}");
            assert_eq!(summary.finished, peers, "{summary}");
        }
    }
}

#[test]
fn a_distant_swarm_sends_hardly_anything_twice() {
    let config = Config {
        peers: 100,
        latency: Duration::from_millis(50),
        ..Config::default()
    };
    let summary = run(&config).unwrap();
    assert!(summary.waste() <= 0.02, "{summary}");
    assert!(summary.ratio() <= 1.3, "{summary}");
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
            .contains("--peers 2 --seed 1 --pieces 1024 --scenario swarm")
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
        pieces: 16,
        ..Config::default()
    };
    let json = run(&config).unwrap().to_json();
    assert!(json.starts_with('{') && json.ends_with('}') && !json.contains('\n'));
    assert_eq!(json.matches('"').count() % 2, 0);
    assert!(json.contains("\"finished\":3,"));
}
