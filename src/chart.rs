//! PNG charts in one style: a font of our own (no system font is needed), one palette, and files
//! that are there as a whole or not at all.

use std::io::Write;
use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::{Error, IoContext, Result};
use crate::files;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x26, 0x2b, 0x33);
/// Axis labels, captions, what should stay in the background.
pub(crate) const MUTED: RGBColor = RGBColor(0x6b, 0x72, 0x80);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(0xe5, 0xe7, 0xeb);
/// The first series: what the chart is about.
pub(crate) const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
/// The second series.
pub(crate) const ORANGE: RGBColor = RGBColor(0xe0, 0x7b, 0x22);
/// The third series.
pub(crate) const GREEN: RGBColor = RGBColor(0x2f, 0x8f, 0x5b);
/// Everything that a series is seen against.
pub(crate) const PALE: RGBColor = RGBColor(0xb8, 0xc4, 0xd2);

/// Text sizes, in pixels.
pub(crate) const TITLE: u32 = 30;
/// Axis descriptions and legends.
pub(crate) const LABEL: u32 = 22;
/// Numbers at the axes.
pub(crate) const TICK: u32 = 19;

/// The whole picture, or a part of it.
pub(crate) type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// What painting can fail with: plotters' own errors.
pub(crate) type Painted = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A text style in `colour`; bold for titles.
pub(crate) fn text(size: u32, colour: RGBColor, bold: bool) -> TextStyle<'static> {
    fonts();
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    FontDesc::new(FontFamily::SansSerif, f64::from(size), style).color(&colour)
}

/// Paints a PNG of `size` (width, height, in pixels) on white, and writes it atomically.
///
/// # Errors
/// [`Error::Chart`] with what `paint` fails with, and any I/O error.
pub(crate) fn draw(
    path: &Path,
    size: (u32, u32),
    paint: impl FnOnce(&Area<'_>) -> Painted,
) -> Result<()> {
    fonts();
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Chart {
        path: path.to_path_buf(),
        what: error.to_string(),
    };
    let (width, height) = size;
    let mut pixels = vec![0; width as usize * height as usize * 3]; // [height, width, rgb]
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        area.fill(&WHITE).map_err(|error| failed(error.into()))?;
        paint(&area).map_err(failed)?;
        area.present().map_err(|error| failed(error.into()))?;
    }
    let encoded = encode(&pixels, size).map_err(|error| failed(error.into()))?;
    files::write_atomic(path, |out| out.write_all(&encoded).at("write", path))
}

/// The PNG of `pixels` `[height, width, rgb]`.
fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(encoded)
}

/// Gives plotters its letters, once.
fn fonts() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        for (style, bytes) in [
            (FontStyle::Normal, dejavu::sans::regular()),
            (FontStyle::Bold, dejavu::sans::bold()),
        ] {
            // The bytes are part of the program; were they no font, drawing text would say so.
            let _ = register_font("sans-serif", style, bytes);
        }
    });
}
