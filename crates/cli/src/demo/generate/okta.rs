//! The Okta System Log, an event a line.

use std::io;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::random::Random;
use super::{ATTACKER, File, PEOPLE, STOLEN, Timed, Window};
use super::{before, from_micros, gzip, joined_lines, step, windows, with_story};

/// Events of a busy file.
const ROWS: u64 = 1_050;
/// Users on whom the attacker tries a password.
pub(super) const SPRAYED: usize = 14;
/// Files by their place that are not compressed, so that they can be looked at: the broken one and the attack.
const BROKEN: usize = 6;
const ATTACK: usize = 10;

pub(super) fn files(now: DateTime<Utc>, percent: u64) -> io::Result<Vec<File>> {
    let mut random = Random::new(3);
    let story = story(now, &mut random);
    let mut files = Vec::new();
    for window in windows(now, 4, ROWS, &mut random) {
        let mut lines = with_story(&window, everyday(&window, percent, &mut random), &story);
        let path = format!("okta/system/{}.ndjson", window.end.format("%Y/%m/%d/system-%Y%m%dT%H%M%SZ"));
        files.push(match window.index {
            BROKEN => {
                break_lines(&mut lines);
                File::sound(path, joined_lines(&lines)).damaged("three lines in the middle are not JSON")
            }
            ATTACK => File::sound(path, joined_lines(&lines)),
            _ => File::sound(format!("{path}.gz"), gzip(&joined_lines(&lines))?),
        });
    }
    Ok(files)
}

/// Adds what a collector leaves behind when it is stopped while it writes.
fn break_lines(lines: &mut Vec<String>) {
    let middle = lines.len() / 2;
    let half: String = lines[middle].chars().take(140).collect();
    let broken =
        [half, "upstream connect error or disconnect/reset before headers".to_owned(), "{\"uuid\":".to_owned()];
    lines.splice(middle..middle, broken);
}

/// One event, before it becomes a line.
struct Event<'a> {
    kind: &'a str,
    message: &'a str,
    /// The result, and its reason as JSON.
    outcome: (&'a str, &'a str),
    actor: &'a str,
    address: &'a str,
    /// A user, as a list in JSON or null.
    target: String,
    uri: &'a str,
}

fn line(time_us: i64, event: &Event<'_>, random: &mut Random) -> String {
    let Event { kind, message, outcome: (result, reason), actor, address, target, uri } = event;
    let time = from_micros(time_us).to_rfc3339_opts(SecondsFormat::Millis, true);
    let severity = if *result == "FAILURE" { "WARN" } else { "INFO" };
    let (city, country, lat, lon, number) = match *address {
        ATTACKER => ("Reykjavik", "Iceland", 64.14, -21.94, 64_511),
        _ => ("Zurich", "Switzerland", 47.37, 8.54, 64_496),
    };
    let (id, session, request, uuid) = (user_id(actor), random.word(24), random.word(24), random.uuid());
    format!(
        r#"{{"uuid":"{uuid}","published":"{time}","eventType":"{kind}","version":"0","severity":"{severity}","legacyEventType":null,"displayMessage":"{message}","actor":{{"id":"{id}","type":"User","alternateId":"{actor}@example.com","displayName":"{actor}","detailEntry":null}},"client":{{"userAgent":{{"rawUserAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36","os":"Windows 10","browser":"CHROME"}},"zone":"null","device":"Computer","id":null,"ipAddress":"{address}","geographicalContext":{{"city":"{city}","state":"{city}","country":"{country}","postalCode":null,"geolocation":{{"lat":{lat},"lon":{lon}}}}}}},"outcome":{{"result":"{result}","reason":{reason}}},"target":{target},"transaction":{{"type":"WEB","id":"{request}","detail":{{}}}},"debugContext":{{"debugData":{{"requestId":"{request}","requestUri":"{uri}","threatSuspected":"false"}}}},"authenticationContext":{{"authenticationStep":0,"externalSessionId":"{session}"}},"securityContext":{{"asNumber":{number},"asOrg":"example net","isp":"example net","domain":"example.net","isProxy":false}},"request":{{"ipChain":[{{"ip":"{address}","version":"V4"}}]}}}}"#
    )
}

fn user_id(login: &str) -> String {
    let place = PEOPLE.iter().position(|person| *person == login).unwrap_or(PEOPLE.len());
    format!("00u1example{place:04}5d7")
}

fn user_target(login: &str) -> String {
    let id = user_id(login);
    format!(
        r#"[{{"id":"{id}","type":"User","alternateId":"{login}@example.com","displayName":"{login}","detailEntry":null}}]"#
    )
}

const LOGIN: (&str, &str, &str) = ("user.session.start", "User login to Okta", "/api/v1/authn");
const WRONG_PASSWORD: (&str, &str) = ("FAILURE", "\"INVALID_CREDENTIALS\"");
const SUCCESS: (&str, &str) = ("SUCCESS", "null");

fn everyday(window: &Window, percent: u64, random: &mut Random) -> Vec<Timed> {
    let moments = window.moments(percent, random);
    moments.into_iter().map(|time_us| (time_us, everyday_line(time_us, random))).collect()
}

fn everyday_line(time_us: i64, random: &mut Random) -> String {
    let person = random.below(PEOPLE.len() as u64) as usize;
    let (actor, address) = (PEOPLE[person], format!("192.0.2.{}", 10 + person));
    let ((kind, message, uri), outcome) = match random.below(100) {
        0..20 => (LOGIN, SUCCESS),
        20 => (LOGIN, WRONG_PASSWORD),
        21..40 => {
            (("user.authentication.auth_via_mfa", "Authentication of user via MFA", "/api/v1/authn/factors"), SUCCESS)
        }
        40..55 => (("policy.evaluate_sign_on", "Evaluation of sign-on policy", "/app/example"), ("ALLOW", "null")),
        55..95 => (("user.authentication.sso", "User single sign on to app", "/app/example/sso/saml"), SUCCESS),
        _ => (("user.session.end", "User logout from Okta", "/login/signout"), SUCCESS),
    };
    let event = Event { kind, message, outcome, actor, address: &address, target: "null".to_owned(), uri };
    line(time_us, &event, random)
}

/// The password spray, the login that works, and the factor that goes.
fn story(now: DateTime<Utc>, random: &mut Random) -> Vec<Timed> {
    let mut lines = Vec::new();
    let mut add = |time: DateTime<Utc>, login: (&str, &str, &str), outcome, actor, target| {
        let (kind, message, uri) = login;
        let time_us = time.timestamp_micros();
        let event = Event { kind, message, outcome, actor, address: ATTACKER, target, uri };
        lines.push((time_us, line(time_us, &event, random)));
    };
    for attempt in 0..SPRAYED * 3 {
        // The last to be tried in each round is the one who falls.
        let actor = PEOPLE[(attempt + 1) % SPRAYED];
        let time = before(now, step::SPRAY) + TimeDelta::seconds(19 * attempt as i64);
        add(time, LOGIN, WRONG_PASSWORD, actor, "null".to_owned());
    }
    add(before(now, step::LOGIN), LOGIN, SUCCESS, STOLEN, "null".to_owned());
    let removed = ("user.mfa.factor.deactivate", "Reset factor for user", "/api/v1/users/me/factors/reset");
    add(before(now, step::FACTOR), removed, SUCCESS, STOLEN, user_target(STOLEN));
    let added = ("user.mfa.factor.activate", "Activate factor for user", "/api/v1/users/me/factors/activate");
    add(before(now, step::FACTOR - 1), added, SUCCESS, STOLEN, user_target(STOLEN));
    lines
}
