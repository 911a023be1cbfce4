//! A QR code of half blocks, for a terminal.

use anstyle::{AnsiColor, Color, Style};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::style::styled;

/// Light on dark in every terminal: the blocks are the light modules.
const LOOK: Style = AnsiColor::BrightWhite.on_default().bg_color(Some(Color::Ansi(AnsiColor::Black)));

/// The code of `text`, with the quiet zone that readers need (ISO/IEC 18004, 5.3.8); `None` where it is wider than `columns`
/// or there is none of this text.
pub(crate) fn qr_text(text: &str, columns: usize) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let fits = drawn.lines().all(|line| line.chars().count() <= columns);
    fits.then(|| drawn.lines().map(|line| styled(LOOK, line)).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_link_fits_80_columns_and_is_left_out_where_it_does_not() {
        let link = "https://cloud.example/oauth/device?user_code=ABCD-EFGH";
        let drawn = anstream::adapter::strip_str(&qr_text(link, 80).unwrap()).to_string();
        let width = drawn.lines().next().unwrap().chars().count();
        // Version 4 or less, four modules of quiet on each side; two rows a line.
        assert!(width <= 33 + 8 && drawn.lines().all(|line| line.chars().count() == width), "{width}");
        assert_eq!(drawn.lines().count(), width.div_ceil(2));
        assert!(drawn.starts_with(&"█".repeat(width)), "{drawn}");
        assert!(drawn.chars().all(|c| "█▀▄ \n".contains(c)), "{drawn}");
        assert_eq!(qr_text(link, width - 1), None);
        assert_eq!(qr_text(&"x".repeat(2048), 80), None);
        assert_eq!(qr_text(&"x".repeat(9999), 9999), None);
    }
}
