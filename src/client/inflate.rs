//! Payloads that a worker has compressed.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;

/// First byte of zlib data with the usual window, which no JSON begins with.
const ZLIB: u8 = 0x78;

/// Why a payload can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflateError {
    #[error("the compressed payload is damaged: {0}")]
    Damaged(#[from] std::io::Error),
    #[error("the compressed payload becomes more than {0} bytes")]
    TooLarge(usize),
}

/// The payload as it was before compression, if it was compressed, of at most
/// `max` bytes: a few kilobytes can be made to become gigabytes.
pub(crate) fn inflated(payload: &[u8], max: usize) -> Result<Cow<'_, [u8]>, InflateError> {
    if payload.first() != Some(&ZLIB) {
        return Ok(payload.into());
    }
    let mut out = Vec::new();
    ZlibDecoder::new(payload).take(max as u64 + 1).read_to_end(&mut out)?;
    if out.len() > max { Err(InflateError::TooLarge(max)) } else { Ok(out.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn deflated(data: &[u8], level: Compression) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_compressed_payloads_are_read_alike() {
        let text = br#"{"jsonrpc":"2.0"}"#;
        assert_eq!(*inflated(text, 0).unwrap(), *text, "the limit is on what grows");
        for level in [Compression::none(), Compression::fast(), Compression::best()] {
            assert_eq!(*inflated(&deflated(text, level), text.len()).unwrap(), *text);
        }
    }

    #[test]
    fn a_payload_that_would_become_huge_is_refused() {
        let bomb = deflated(&vec![0; 1 << 20], Compression::best());
        assert!(bomb.len() < 2048);
        assert!(matches!(inflated(&bomb, 1000), Err(InflateError::TooLarge(1000))));
        assert!(matches!(inflated(&bomb[..20], 1 << 20), Err(InflateError::Damaged(_))));
    }
}
