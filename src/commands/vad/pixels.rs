//! Drawings as PNG, on a light page.

use std::convert::Infallible;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_8X13;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::pixelcolor::raw::RawU24;
use embedded_graphics::prelude::{
    Dimensions, DrawTarget, Drawable, OriginDimensions, Pixel, Point, RgbColor, Size,
};
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Alignment, Text};

use super::drawing::{Anchor, Drawing, Ink, Rect, Shape, Words};

/// Red, green and blue.
const PIXEL_BYTES: usize = 3;

/// A file.
///
/// # Errors
/// Never, if the encoder is right.
pub(super) fn of(drawing: &Drawing) -> Result<Vec<u8>, png::EncodingError> {
    let size = Size::new(drawing.width, drawing.height);
    let pixels = (drawing.width * drawing.height) as usize;
    let mut canvas = Canvas { size, bytes: vec![0; pixels * PIXEL_BYTES] };
    for shape in &drawing.shapes {
        let Ok(()) = match shape {
            Shape::Rect(rect) => canvas.fill(rect),
            Shape::Words(words) => canvas.write(words),
        };
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, drawing.width, drawing.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&canvas.bytes)?;
    Ok(file)
}

struct Canvas {
    size: Size,
    bytes: Vec<u8>,
}

impl Canvas {
    fn fill(&mut self, rect: &Rect) -> Result<(), Infallible> {
        let corner = Point::new(rect.x as i32, rect.y as i32);
        let area = Rectangle::new(corner, Size::new(rect.width, rect.height));
        self.fill_solid(&area.intersection(&self.bounding_box()), colour(rect.ink))
    }

    /// A letter that the font lacks is a question mark.
    fn write(&mut self, words: &Words) -> Result<(), Infallible> {
        let alignment = match words.anchor {
            Anchor::Start => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::End => Alignment::Right,
        };
        let style = MonoTextStyle::new(&FONT_8X13, colour(Ink::Text));
        let at = Point::new(words.x as i32, words.y as i32);
        Text::with_alignment(&words.text, at, style, alignment).draw(self)?;
        Ok(())
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        let inside = self.bounding_box();
        for Pixel(at, colour) in pixels {
            if inside.contains(at) {
                let pixel = at.y as usize * self.size.width as usize + at.x as usize;
                self.bytes[pixel * PIXEL_BYTES..][..PIXEL_BYTES].copy_from_slice(&[
                    colour.r(),
                    colour.g(),
                    colour.b(),
                ]);
            }
        }
        Ok(())
    }
}

fn colour(ink: Ink) -> Rgb888 {
    RawU24::new(ink.colours().0).into()
}
