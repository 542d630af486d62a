//! Small grey-scale images inside of a figure.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// An SVG element at `(x, y)`, `(wide, high)` units large, of an image `[height, width]` from 0 for black to 1 for white.
pub(super) fn image(
    (x, y): (i32, i32),
    (wide, high): (i32, i32),
    pixels: &[f64],
    [columns, lines]: [usize; 2],
) -> String {
    format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" preserveAspectRatio=\"none\" \
         style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
        STANDARD.encode(png(pixels, [columns, lines]))
    )
}

/// Encodes 256 greys as PNG (W3C 2003): a header, the compressed lines, each after a 0 for no filter, and an end.
fn png(pixels: &[f64], [wide, high]: [usize; 2]) -> Vec<u8> {
    let mut lines = Vec::with_capacity((wide + 1) * high);
    for line in pixels.chunks(wide.max(1)) {
        lines.push(0);
        lines.extend(line.iter().map(|value| (255.0 * value.clamp(0.0, 1.0)).round() as u8));
    }
    let mut header = [wide, high].map(|side| (side as u32).to_be_bytes()).concat();
    // 8 bits, grey; the only compression, filters and order that are usual.
    header.extend([8, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [(b"IHDR", header), (b"IDAT", compressed(&lines)), (b"IEND", Vec::new())] {
        let mut crc = Crc::new();
        [&name[..], &content].into_iter().for_each(|part| crc.update(part));
        png.extend((content.len() as u32).to_be_bytes());
        png.extend(name);
        png.extend(content);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that Python's zlib module checks: `zlib.crc32(b"IHDR" + header)`, `zlib.crc32(b"IEND")`.
    #[test]
    fn an_image_is_a_png() {
        let png = png(&[0.0, 1.0, 0.5, 2.0, -1.0, f64::NAN], [3, 2]);
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(png[8..29], *b"\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x02\x08\0\0\0\0");
        assert!(png.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
        let end = png.len() - 12;
        let mut lines = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&png[41..end - 4]), &mut lines).unwrap();
        assert_eq!(lines, [0, 0, 255, 128, 0, 255, 0, 0]);
    }
}
