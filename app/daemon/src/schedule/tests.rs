use super::decide::{decide, moment};
use super::{Rule, RuleError};
use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use potluck_api::Rate;

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A moment of the week that begins on Monday, 5 October 2026; day 0 is that Monday.
fn at(day: i8, hour: i8, minute: i8) -> DateTime {
    date(2026, 10, 5 + day).at(hour, minute, 30, 0)
}

/// What may be sent, what may be received, and until when, as `day hour:minute`.
fn seen(rules: &[Rule], now: DateTime) -> (Option<Rate>, Option<Rate>, String) {
    let decision = decide(rules, now);
    let until = decision.until.map(|it| it.strftime("%a %H:%M").to_string());
    (decision.up, decision.down, until.unwrap_or_default())
}

fn rate(text: &str) -> Option<Rate> {
    Some(text.parse().unwrap())
}

const NOTHING: Option<Rate> = Some(Rate(Some(0)));

#[test]
fn rules_are_read_as_people_write_them_and_shown_so_that_they_read_back() {
    for (text, shown) in [
        (
            "weekdays 08:00-18:00 up 500 KB/s down 2 MB/s",
            "mon-fri 08:00-18:00 up 500kB/s down 2MB/s",
        ),
        ("Daily 8:05-24:00 pause", "daily 08:05-24:00 pause"),
        ("sat sun 00:00-00:00 up off", "sat sun 00:00-24:00 up off"),
        ("weekends 23:00-07:30 down 0", "sat sun 23:00-07:30 down 0"),
        (
            "fri-mon 22:00-00:00 down pause up 1MB/s",
            "mon fri sat sun 22:00-24:00 up 1MB/s down 0",
        ),
        (
            "mon tue-wed wed 01:00-02:00 up 0 down 0",
            "mon tue wed 01:00-02:00 pause",
        ),
    ] {
        let rule: Rule = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rule.to_string(), shown, "{text}");
        assert_eq!(shown.parse::<Rule>().unwrap(), rule);
    }
}

#[test]
fn what_is_no_rule_is_told_what_is_wrong() {
    for (text, error) in [
        ("", RuleError::NoDays),
        ("08:00-09:00 pause", RuleError::NoDays),
        (
            "someday 08:00-09:00 pause",
            RuleError::Day("someday".into()),
        ),
        (
            "mon-foo 08:00-09:00 pause",
            RuleError::Day("mon-foo".into()),
        ),
        ("mon", RuleError::NoTime),
        ("mon 08:00", RuleError::Time("08:00".into())),
        ("mon 8-9 pause", RuleError::Time("8-9".into())),
        (
            "mon 24:01-25:00 pause",
            RuleError::Time("24:01-25:00".into()),
        ),
        (
            "mon 24:00-01:00 pause",
            RuleError::Time("24:00-01:00".into()),
        ),
        (
            "mon 08:60-09:00 pause",
            RuleError::Time("08:60-09:00".into()),
        ),
        ("mon 08:00-08:00 pause", RuleError::Empty),
        ("mon 08:00-09:00", RuleError::NoLimit),
        ("mon 08:00-09:00 slow", RuleError::Limit("slow".into())),
        ("mon 08:00-09:00 up fast", RuleError::Limit("fast".into())),
        ("mon 08:00-09:00 up", RuleError::Limit(String::new())),
        (
            "mon 08:00-09:00 up 1MB/s up 2MB/s",
            RuleError::Limit("up for a second time".into()),
        ),
        (
            "mon 08:00-09:00 pause up 1MB/s",
            RuleError::Limit("pause".into()),
        ),
    ] {
        assert_eq!(text.parse::<Rule>(), Err(error), "{text}");
    }
}

#[test]
fn a_rule_holds_from_its_first_minute_to_before_its_last() {
    let rules = rules(&["weekdays 08:00-18:00 up 500kB/s down 2MB/s"]);
    let work = (rate("500kB/s"), rate("2MB/s"), "Mon 18:00".to_owned());
    assert_eq!(seen(&rules, date(2026, 10, 5).at(8, 0, 0, 0)), work);
    assert_eq!(seen(&rules, at(0, 17, 59)), work);
    assert_eq!(seen(&rules, at(0, 18, 0)), (None, None, "Tue 08:00".into()));
    assert_eq!(seen(&rules, at(4, 18, 0)), (None, None, "Mon 08:00".into()));
    assert_eq!(seen(&rules, at(5, 12, 0)), (None, None, "Mon 08:00".into()));
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let friday = rules(&["fri 22:00-06:00 pause"]);
    let night = (NOTHING, NOTHING, "Sat 06:00".to_owned());
    assert_eq!(seen(&friday, at(4, 22, 0)), night);
    assert_eq!(seen(&friday, at(5, 0, 0)), night);
    assert_eq!(seen(&friday, at(5, 5, 59)), night);
    assert_eq!(seen(&friday, at(5, 6, 0)), (None, None, "Fri 22:00".into()));
    assert_eq!(seen(&friday, at(4, 5, 0)), (None, None, "Fri 22:00".into()));
    // A week's last night reaches into the next week.
    let sunday = rules(&["sun 23:00-01:00 pause"]);
    assert_eq!(
        seen(&sunday, at(0, 0, 30)),
        (NOTHING, NOTHING, "Mon 01:00".into())
    );
    // Up to midnight is another way to say 24:00.
    for text in ["mon 20:00-24:00 pause", "mon 20:00-00:00 pause"] {
        let evening = rules(&[text]);
        assert_eq!(seen(&evening, at(0, 23, 59)).2, "Tue 00:00", "{text}");
        assert_eq!(
            seen(&evening, at(1, 0, 0)),
            (None, None, "Mon 20:00".into()),
            "{text}"
        );
    }
}

#[test]
fn the_later_of_two_rules_counts_for_each_direction_by_itself() {
    let rules = rules(&[
        "daily 00:00-24:00 up 1MB/s down 8MB/s",
        "daily 20:00-23:00 up off",
        "sat 21:00-22:00 pause",
    ]);
    assert_eq!(
        seen(&rules, at(0, 12, 0)),
        (rate("1MB/s"), rate("8MB/s"), "Mon 20:00".into())
    );
    assert_eq!(
        seen(&rules, at(0, 20, 0)),
        (rate("off"), rate("8MB/s"), "Mon 23:00".into())
    );
    assert_eq!(
        seen(&rules, at(5, 20, 0)),
        (rate("off"), rate("8MB/s"), "Sat 21:00".into())
    );
    assert_eq!(
        seen(&rules, at(5, 21, 0)),
        (NOTHING, NOTHING, "Sat 22:00".into())
    );
    assert_eq!(decide(&rules, at(5, 20, 0)).rules, [0, 1]);
    assert_eq!(decide(&rules, at(5, 21, 0)).rules, [2]);
}

#[test]
fn what_never_changes_has_no_end() {
    let always = rules(&["daily 00:00-24:00 up 1MB/s"]);
    assert_eq!(
        seen(&always, at(2, 0, 0)),
        (rate("1MB/s"), None, String::new())
    );
    assert_eq!(seen(&[], at(2, 0, 0)), (None, None, String::new()));
    // Two halves that say the same are two rules, and the owner sees which one holds.
    let halves = rules(&["daily 00:00-12:00 up 1MB/s", "daily 12:00-24:00 up 1MB/s"]);
    assert_eq!(seen(&halves, at(2, 3, 0)).2, "Wed 12:00");
}

#[test]
fn rules_go_by_the_clock_on_the_wall_when_it_is_put_forward_and_back() {
    // Europe's rule: forward on the last Sunday of March at 01:00 UTC, back in October.
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let rules = rules(&["daily 02:30-04:00 pause"]);
    let look = |utc: &str| {
        let now = utc.parse::<Timestamp>().unwrap();
        let decision = decide(&rules, zone.to_datetime(now));
        let until = moment(&zone, now, decision.until.unwrap()).unwrap();
        (decision.up == NOTHING, until.to_string())
    };
    // 29 March 2026: after 01:59 comes 03:00, which is within the rule.
    assert_eq!(
        look("2026-03-29T00:59:00Z"),
        (false, "2026-03-29T01:00:00Z".into())
    );
    assert_eq!(
        look("2026-03-29T01:00:00Z"),
        (true, "2026-03-29T02:00:00Z".into())
    );
    // A rule that begins where the hour is left out begins with the hour after it.
    let night: Vec<Rule> = vec!["daily 02:00-04:00 pause".parse().unwrap()];
    let now = "2026-03-28T22:00:00Z".parse::<Timestamp>().unwrap();
    let until = decide(&night, zone.to_datetime(now)).until.unwrap();
    let until = moment(&zone, now, until).unwrap();
    assert_eq!(until.to_string(), "2026-03-29T01:00:00Z");
    // 25 October 2026: 02:30 comes twice, and the rule begins at the first.
    assert_eq!(
        look("2026-10-25T00:29:00Z"),
        (false, "2026-10-25T00:30:00Z".into())
    );
    assert!(look("2026-10-25T00:30:00Z").0);
    // The clock shows 02:15 again.
    assert_eq!(
        look("2026-10-25T01:15:00Z"),
        (false, "2026-10-25T01:30:00Z".into())
    );
    assert_eq!(
        look("2026-10-25T01:30:00Z"),
        (true, "2026-10-25T03:00:00Z".into())
    );
}
