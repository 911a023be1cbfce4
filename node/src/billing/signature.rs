//! Whether an event comes from Stripe: the header `Stripe-Signature` holds a time `t`, and `v1` values, each the HMAC-SHA-256
//! of `<t>.<body>` under the endpoint's secret (<https://docs.stripe.com/webhooks#verify-manually>). While a secret is rolled
//! there are several.

use std::time::Duration;

use http::HeaderMap;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock::Moment;

/// The header.
pub(super) const HEADER: &str = "stripe-signature";
/// How far the time of a signature may lie from ours: what is older may be somebody's recording.
const TOLERANCE: Duration = Duration::from_mins(5);
/// More values than a rolled secret ever gives are not looked at.
const MOST: usize = 16;

/// Why an event is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    /// There is no header, or two, or one that is none.
    #[error("`Stripe-Signature` is missing, or holds no time and `v1` value")]
    Malformed,
    /// It was signed too long ago, or ahead of now.
    #[error("the time in `Stripe-Signature` is more than {} s from this node's", TOLERANCE.as_secs())]
    Untimely,
    /// No value fits the body.
    #[error("no value in `Stripe-Signature` fits the body and this endpoint's secret")]
    Wrong,
}

/// Checks that `body` was signed with `secret`, within the tolerance of `now`.
pub(super) fn check(
    headers: &HeaderMap,
    body: &[u8],
    secret: &SecretString,
    now: Moment,
) -> Result<(), SignatureError> {
    let mut sent = headers.get_all(HEADER).iter();
    let header = sent.next().filter(|_| sent.next().is_none()).and_then(|value| value.to_str().ok());
    let header = header.ok_or(SignatureError::Malformed)?;
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find_map(|(name, value)| (name == "t").then_some(value)).ok_or(SignatureError::Malformed)?;
    let is_number = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = time.parse().ok().filter(|_| is_number).ok_or(SignatureError::Malformed)?;
    let values: Vec<Vec<u8>> =
        parts().filter(|(name, _)| *name == "v1").take(MOST).filter_map(|(_, value)| bytes(value)).collect();
    if values.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let signed = [time.as_bytes(), b".", body].concat();
    // `verify` takes as long wherever the two differ.
    let fits = values.iter().fold(false, |fits, value| hmac::verify(&key, &signed, value).is_ok() | fits);
    if !fits {
        return Err(SignatureError::Wrong);
    }
    let at = Moment::from_millis(seconds.saturating_mul(1_000));
    if now.since(at).max(at.since(now)) > TOLERANCE {
        return Err(SignatureError::Untimely);
    }
    Ok(())
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4) | digit(low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

/// What Stripe writes into the header.
#[cfg(test)]
pub(super) fn signed(body: &[u8], secret: &str, now: Moment) -> String {
    let time = now.millis() / 1_000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &[time.to_string().as_bytes(), b".", body].concat());
    format!("t={time},v1={}", crate::secret::hex(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Moment = Moment::from_millis(1_492_774_577_000);
    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

    fn checked(header: &str, now: Moment) -> Result<(), SignatureError> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(header).unwrap());
        check(&headers, BODY, &"whsec_test".into(), now)
    }

    #[test]
    fn n48_an_event_is_believed_when_any_of_its_signatures_fits() {
        let good = signed(BODY, "whsec_test", NOW);
        let (time, value) = good.split_once(',').unwrap();
        let other = "00".repeat(32);
        for header in [
            good.clone(),
            format!("{time}, {value}"),
            format!("{time},v0=00,v1={other},{value}"),
            format!("{value},{time},v1={other}"),
            good.to_uppercase().replace("T=", "t=").replace("V1=", "v1="),
        ] {
            assert_eq!(checked(&header, NOW), Ok(()), "{header}");
        }
        for (header, error) in [
            (format!("{time},v1={other}"), SignatureError::Wrong),
            (format!("t=1492774578,{value}"), SignatureError::Wrong),
            (signed(BODY, "whsec_other", NOW), SignatureError::Wrong),
            (signed(b"{}", "whsec_test", NOW), SignatureError::Wrong),
            (good.replace("v1=", "v0="), SignatureError::Malformed),
            (value.to_owned(), SignatureError::Malformed),
            (time.to_owned(), SignatureError::Malformed),
            (format!("t=x,{value}"), SignatureError::Malformed),
            (format!("t=-5,{value}"), SignatureError::Malformed),
            (format!("{time},v1=0"), SignatureError::Malformed),
            (String::new(), SignatureError::Malformed),
        ] {
            assert_eq!(checked(&header, NOW), Err(error), "{header}");
        }
        assert_eq!(check(&HeaderMap::new(), BODY, &"whsec_test".into(), NOW), Err(SignatureError::Malformed));
    }

    #[test]
    fn a_recording_is_believed_for_five_minutes() {
        let header = signed(BODY, "whsec_test", NOW);
        for (seconds, is_believed) in [(0, true), (300, true), (301, false)] {
            let by = Duration::from_secs(seconds);
            assert_eq!(checked(&header, NOW.after(by)).is_ok(), is_believed, "{seconds} later");
            assert_eq!(checked(&header, NOW.before(by)).is_ok(), is_believed, "{seconds} earlier");
        }
    }
}
