//! `parse_user_agent`: what a browser or program says of itself, by tables of the names that are in use.

use std::borrow::Cow;

use super::row::{Function, Kind, Value};
use super::said;

const FIELDS: [(&str, Kind); 5] = [
    ("browser", Kind::Text),
    ("browser_version", Kind::Text),
    ("os", Kind::Text),
    ("os_version", Kind::Text),
    ("device", Kind::Text),
];
/// Bytes that are looked at: what comes later says nothing that is asked for.
const LOOKED_AT_MAX: usize = 1_024;

pub(super) fn functions() -> Vec<Function> {
    vec![Function::object("parse_user_agent", &FIELDS, |text| said(text).map(parse))]
}

fn parse(text: &str) -> [Value<'_>; 5] {
    let text = &text[..text.floor_char_boundary(LOOKED_AT_MAX)];
    let (system, system_version) = system(text);
    let (browser, version, is_bot) = match bot(text) {
        Some((name, version)) => (Some(name), version, true),
        None => match browser(text) {
            Some((name, version)) => (Some(name), version, false),
            None => (own_name(text).0, own_name(text).1, false),
        },
    };
    let device = if is_bot { Some("bot") } else { device(text, browser, system) };
    [browser.into(), version.into(), system.into(), system_version.into(), device.into()]
}

/// Programs that read the web by themselves: the product whose name has one of these in it, in small letters.
const BOTS: [&str; 9] =
    ["bot", "crawler", "spider", "slurp", "facebookexternalhit", "bingpreview", "mediapartners", "scanner", "monitor"];

/// The product (`Googlebot/2.1`) that names a bot.
fn bot(text: &str) -> Option<(&str, Option<&str>)> {
    let products = text.split([' ', ';', ',', '(', ')', '+']).filter(|word| !word.contains("://"));
    products.map(product).find(|(name, _)| {
        // Telephones, and Amazon's library for Python.
        let name = name.to_ascii_lowercase();
        !name.starts_with("cubot") && !name.starts_with("boto") && BOTS.iter().any(|bot| name.contains(bot))
    })
}

/// A browser's mark, with the slash behind which its version stands, and its name. The first that a text has counts: others
/// claim to be those that come later.
const BROWSERS: [(&str, &str); 38] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("UCBrowser/", "UC Browser"),
    ("MiuiBrowser/", "MIUI Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Whale/", "Whale"),
    ("Silk/", "Silk"),
    ("Brave/", "Brave"),
    ("Teams/", "Teams"),
    ("Slack_SSB/", "Slack"),
    ("Slack/", "Slack"),
    ("Code/", "Visual Studio Code"),
    ("Electron/", "Electron"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("PhantomJS/", "PhantomJS"),
    ("Thunderbird/", "Thunderbird"),
    ("SeaMonkey/", "SeaMonkey"),
    ("PaleMoon/", "Pale Moon"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox Focus"),
    ("Firefox/", "Firefox"),
    ("GSA/", "Google App"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("MSIE ", "Internet Explorer"),
    ("Microsoft Outlook ", "Outlook"),
    ("Microsoft Office/", "Microsoft Office"),
];

fn browser(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some((name, version)) = BROWSERS.iter().find_map(|(mark, name)| Some((*name, behind(text, mark)?))) {
        return Some((name, version));
    }
    if text.starts_with("Opera/") {
        return Some(("Opera", behind(text, "Version/").flatten().or(behind(text, "Opera/").flatten())));
    }
    if text.contains("Trident/") {
        return Some(("Internet Explorer", behind(text, "rv:").flatten()));
    }
    if text.contains("Safari/") {
        let name = if text.contains("Android") { "Android Browser" } else { "Safari" };
        return Some((name, behind(text, "Version/").flatten()));
    }
    None
}

/// The version behind a mark: digits and dots (`_` counts as one). `None`: the text does not have the mark.
fn behind<'a>(text: &'a str, mark: &str) -> Option<Option<&'a str>> {
    let start = text.find(mark)? + mark.len();
    Some(version(&text[start..]))
}

fn version(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let version = text[..end].trim_end_matches(['.', '_']);
    (!version.is_empty()).then_some(version)
}

/// Name and version of `name/1.2`.
fn product(word: &str) -> (&str, Option<&str>) {
    word.split_once('/').map_or((word, None), |(name, rest)| (name, version(rest.trim_start_matches('v'))))
}

/// Of a program that is no browser, the first product.
fn own_name(text: &str) -> (Option<&str>, Option<&str>) {
    let first = text.split([' ', ';', '(']).next().unwrap_or_default();
    let (name, version) = product(first);
    let is_name = !name.is_empty() && name != "Mozilla" && name.contains(|c: char| c.is_alphabetic());
    if is_name { (Some(name), version) } else { (None, None) }
}

/// The operating system and its version.
fn system(text: &str) -> (Option<&'static str>, Option<Cow<'_, str>>) {
    let dotted = |version: Option<&'_ str>| version.map(|version| version.replace('_', ".").into());
    let after = |mark: &str| dotted(behind(text, mark).flatten());
    if text.contains("Windows Phone") {
        return (Some("Windows Phone"), after("Windows Phone "));
    }
    if let Some(kernel) = behind(text, "Windows NT ").or_else(|| behind(text, "Windows/")).flatten() {
        return (Some("Windows"), Some(windows_named(kernel).into()));
    }
    let apple = ["CPU iPhone OS ", "CPU OS ", "iPhone OS ", "iOS ", "iOS/"];
    if let Some(mark) = apple.iter().find(|mark| text.contains(**mark)) {
        return (Some("iOS"), after(mark));
    }
    let systems: [(&str, &'static str, &str); 20] = [
        ("os/macos", "macOS", "os/macos#"),
        ("os/windows", "Windows", ""),
        ("Mac OS X", "macOS", "Mac OS X "),
        ("macOS", "macOS", "macOS/"),
        ("Macintosh", "macOS", "macOS "),
        ("Android", "Android", "Android "),
        ("CrOS", "ChromeOS", ""),
        ("HarmonyOS", "HarmonyOS", "HarmonyOS "),
        ("Tizen", "Tizen", "Tizen "),
        ("Web0S", "webOS", ""),
        ("Ubuntu", "Ubuntu", "Ubuntu/"),
        ("Fedora", "Fedora", "Fedora/"),
        ("FreeBSD", "FreeBSD", ""),
        ("OpenBSD", "OpenBSD", ""),
        ("SunOS", "Solaris", ""),
        ("Darwin", "Darwin", "Darwin/"),
        ("darwin", "Darwin", "darwin/"),
        ("Windows", "Windows", ""),
        ("Linux", "Linux", "Linux/"),
        ("linux", "Linux", "linux/"),
    ];
    let found = systems.iter().find(|(mark, ..)| text.contains(mark));
    found.map_or((None, None), |(_, name, mark)| (Some(*name), if mark.is_empty() { None } else { after(mark) }))
}

/// The name that people use for a version of Windows NT. Windows 11 says that it is 10.
fn windows_named(kernel: &str) -> &str {
    match kernel {
        "5.0" => "2000",
        "5.1" => "XP",
        "5.2" => "XP x64",
        "6.0" => "Vista",
        "6.1" => "7",
        "6.2" => "8",
        "6.3" => "8.1",
        "10.0" => "10",
        other => other,
    }
}

/// Programs and libraries that scripts use.
const TOOLS: [&str; 34] = [
    "curl",
    "wget",
    "python",
    "python-requests",
    "python-urllib",
    "python-httpx",
    "aiohttp",
    "httpx",
    "go-http-client",
    "okhttp",
    "java",
    "apache-httpclient",
    "libwww-perl",
    "lwp::simple",
    "ruby",
    "axios",
    "node-fetch",
    "node",
    "undici",
    "postmanruntime",
    "insomnia",
    "httpie",
    "aws-cli",
    "boto3",
    "botocore",
    "terraform",
    "ansible-httpget",
    "kubectl",
    "windowspowershell",
    "powershell",
    "winhttp",
    "git",
    "dart",
    "php",
];

/// `bot`, `mobile`, `tablet`, `tv`, `desktop`, `tool`, or unknown.
fn device(text: &str, browser: Option<&str>, system: Option<&str>) -> Option<&'static str> {
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    let is_tool = |name: &str| {
        let name = name.to_ascii_lowercase();
        TOOLS.contains(&name.as_str())
            || ["aws-sdk-", "azsdk-", "google-api-"].iter().any(|start| name.starts_with(start))
    };
    if browser.is_some_and(is_tool) || has(&["WindowsPowerShell/", "PowerShell/"]) {
        return Some("tool");
    }
    if has(&[
        "SmartTV", "SMART-TV", "Smart TV", "AppleTV", "Apple TV", "GoogleTV", "CrKey", "Roku", "BRAVIA", "AFT", "Web0S",
    ]) {
        return Some("tv");
    }
    match system {
        _ if has(&["iPad", "Tablet", "Kindle", "Silk/"]) => Some("tablet"),
        Some("Android") if !has(&["Mobile", "Dalvik"]) => Some("tablet"),
        Some("Android" | "iOS" | "Windows Phone" | "HarmonyOS") => Some("mobile"),
        _ if has(&["Mobile", "iPhone"]) => Some("mobile"),
        Some("Windows" | "macOS" | "ChromeOS") => Some("desktop"),
        Some("Linux" | "Ubuntu" | "Fedora" | "FreeBSD" | "OpenBSD") if has(&["X11", "Wayland"]) => Some("desktop"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";

    fn check(text: &str, [browser, version, system, system_version, device]: [&str; 5]) {
        let expected = format!(
            "{{browser: {browser}, browser_version: {version}, os: {system}, os_version: {system_version}, device: {device}}}"
        );
        gives("parse_user_agent", &[(text, &expected)]);
    }

    #[test]
    fn browsers() {
        let windows = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT}");
        let chrome = format!("{windows} Chrome/120.0.0.0 Safari/537.36");
        check(&chrome, ["Chrome", "120.0.0.0", "Windows", "10", "desktop"]);
        check(&format!("{chrome} Edg/120.0.2210.91"), ["Edge", "120.0.2210.91", "Windows", "10", "desktop"]);
        check(&format!("{chrome} OPR/106.0.0.0"), ["Opera", "106.0.0.0", "Windows", "10", "desktop"]);
        check(
            &format!("{windows} HeadlessChrome/119.0 Safari/537.36"),
            ["Headless Chrome", "119.0", "Windows", "10", "desktop"],
        );
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
            ["Firefox", "121.0", "Linux", "NULL", "desktop"],
        );
        check(
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
            ["Firefox", "121.0", "Ubuntu", "NULL", "desktop"],
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Safari/605.1.15",
            ["Safari", "17.2", "macOS", "10.15.7", "desktop"],
        );
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1.2 Mobile/15E148 Safari/604.1",
            ["Safari", "17.1.2", "iOS", "17.1.2", "mobile"],
        );
        check(
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/120.0.6099.50 Mobile/15E148 Safari/604.1",
            ["Chrome", "120.0.6099.50", "iOS", "16.6", "tablet"],
        );
        check(
            &format!("Mozilla/5.0 (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/120.0.0.0 Mobile Safari/537.36"),
            ["Chrome", "120.0.0.0", "Android", "14", "mobile"],
        );
        check(
            &format!(
                "Mozilla/5.0 (Linux; Android 13; SM-X710) {WEBKIT} SamsungBrowser/23.0 Chrome/115.0.0.0 Safari/537.36"
            ),
            ["Samsung Internet", "23.0", "Android", "13", "tablet"],
        );
        check(
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            ["Internet Explorer", "11.0", "Windows", "7", "desktop"],
        );
        check(
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0)",
            ["Internet Explorer", "8.0", "Windows", "XP", "desktop"],
        );
        check(
            "Opera/9.80 (Windows NT 6.0) Presto/2.12.388 Version/12.14",
            ["Opera", "12.14", "Windows", "Vista", "desktop"],
        );
        check(
            &format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/120.0.0.0 Safari/537.36"),
            ["Chrome", "120.0.0.0", "ChromeOS", "NULL", "desktop"],
        );
        check(
            &format!("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) {WEBKIT} Version/6.0 Safari/537.36"),
            ["Safari", "6.0", "Tizen", "6.0", "tv"],
        );
    }

    #[test]
    fn bots_and_tools() {
        check(
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            ["Googlebot", "2.1", "NULL", "NULL", "bot"],
        );
        check(
            &format!(
                "Mozilla/5.0 {WEBKIT}; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0 Safari/537.36"
            ),
            ["bingbot", "2.0", "NULL", "NULL", "bot"],
        );
        check(
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            ["Slackbot-LinkExpanding", "NULL", "NULL", "NULL", "bot"],
        );
        check("curl/8.4.0", ["curl", "8.4.0", "NULL", "NULL", "tool"]);
        check("Wget/1.21.3", ["Wget", "1.21.3", "NULL", "NULL", "tool"]);
        check("python-requests/2.31.0", ["python-requests", "2.31.0", "NULL", "NULL", "tool"]);
        check("Go-http-client/1.1", ["Go-http-client", "1.1", "NULL", "NULL", "tool"]);
        check(
            "aws-cli/2.13.5 Python/3.11.4 Linux/5.10.186 exe/x86_64 prompt/off",
            ["aws-cli", "2.13.5", "Linux", "5.10.186", "tool"],
        );
        check("Boto3/1.28.1 md/Botocore#1.31.1 ua/2.0 os/macos#22.5.0", ["Boto3", "1.28.1", "macOS", "22.5.0", "tool"]);
        check("aws-sdk-go-v2/1.21.0 os/linux lang/go#1.20", ["aws-sdk-go-v2", "1.21.0", "Linux", "NULL", "tool"]);
        check(
            "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
            ["NULL", "NULL", "Windows", "10", "tool"],
        );
        check("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)", ["Dalvik", "2.1.0", "Android", "13", "mobile"]);
    }

    #[test]
    fn names_that_nobody_knows() {
        check("MyApp/1.2.3-beta (build 7)", ["MyApp", "1.2.3", "NULL", "NULL", "NULL"]);
        check("signin.amazonaws.com", ["signin.amazonaws.com", "NULL", "NULL", "NULL", "NULL"]);
        gives_nothing("parse_user_agent", &["Mozilla/5.0", "() { :; }; echo", "/", "1/2"]);
        check("é/1.0", ["é", "1.0", "NULL", "NULL", "NULL"]);
        check(&"é".repeat(4_000), [&"é".repeat(512), "NULL", "NULL", "NULL", "NULL"]);
        gives_nothing("parse_user_agent", &["", "-", " ", "(null)"]);
    }
}
