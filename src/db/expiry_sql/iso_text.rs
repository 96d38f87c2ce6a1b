//! Instants as ISO 8601 text, in the form in which somebody else has written one.

use chrono::{DateTime, FixedOffset, Utc};

use crate::zone::Zone;

/// `at` in the form of `like`: with its sign between date and time, its number of decimals, and its offset. Without an
/// offset it is the wall clock of `zone`. What is no date and time with seconds is no form to follow: then it is as
/// Prisma writes it.
pub(super) fn like(like: &str, at: DateTime<Utc>, zone: &Zone) -> String {
    form(like, at, zone).unwrap_or_else(|| at.format("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string())
}

fn form(like: &str, at: DateTime<Utc>, zone: &Zone) -> Option<String> {
    let separator = like.get(10..11).filter(|sign| matches!(*sign, "T" | " "))?;
    let rest = like.get(19..).filter(|_| like.get(16..17) == Some(":"))?;
    let suffix = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let decimals = rest.len() - suffix.len();
    let local = match suffix.trim_start() {
        "" => zone.local(at),
        "Z" | "z" => at.fixed_offset(),
        offset => at.with_timezone(&parse(offset)?),
    };
    let fraction: String = local.format("%.9f").to_string().chars().take(decimals).collect();
    let date = local.format("%Y-%m-%d");
    Some(format!("{date}{separator}{}{fraction}{suffix}", local.format("%H:%M:%S")))
}

/// `+05:30`, the only form that `SQLite` reads.
fn parse(offset: &str) -> Option<FixedOffset> {
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    FixedOffset::east_opt(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_form() {
        let cases = [
            ("2025-01-01T00:00:00.000+00:00", "2026-03-04T05:06:07.890+00:00"),
            ("2025-01-01T00:00:00.000Z", "2026-03-04T05:06:07.890Z"),
            ("2025-01-01T00:00:00Z", "2026-03-04T05:06:07Z"),
            ("2025-01-01 00:00:00", "2026-03-04 14:06:07"),
            ("2025-01-01 00:00:00.000000", "2026-03-04 14:06:07.890000"),
            ("2025-01-01T00:00:00-05:30", "2026-03-03T23:36:07-05:30"),
            ("2025-01-01 00:00:00.5 +01:00", "2026-03-04 06:06:07.8 +01:00"),
            ("2025-01-01", "2026-03-04T05:06:07.890+00:00"),
            ("2025-01-01T00:00Z", "2026-03-04T05:06:07.890+00:00"),
            ("", "2026-03-04T05:06:07.890+00:00"),
        ];
        let at = DateTime::from_timestamp_millis(1_772_600_767_890).unwrap_or_default();
        let tokyo = Zone::parse("Asia/Tokyo").unwrap_or_else(|_| Zone::utc());
        for (form, written) in cases {
            assert_eq!(like(form, at, &tokyo), written, "{form}");
        }
    }
}
