//! Drawings as SVG, legible on light and dark pages.

use std::fmt::Write;

use maud::{PreEscaped, html};

use super::drawing::{Anchor, Drawing, Ink, Rect, Shape, Words};

const FONT: &str = "text{font:13px system-ui,sans-serif}";

/// A document.
pub(super) fn of(drawing: &Drawing) -> String {
    let view = format!("0 0 {} {}", drawing.width, drawing.height);
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(view) width=(drawing.width) height=(drawing.height) role="img" {
            title { (drawing.title) }
            style { (PreEscaped(style())) }
            @for shapes in drawing.shapes.chunk_by(|one, other| ink(one).is_some() && ink(one) == ink(other)) {
                (shown(shapes))
            }
        }
    };
    markup.into_string()
}

fn style() -> String {
    let (mut light, mut dark) = (String::new(), String::new());
    for ink in Ink::ALL {
        let colours = ink.colours();
        let _ = write!(light, ".{}{{fill:#{:06x}}}", ink.as_str(), colours.0);
        let _ = write!(dark, ".{}{{fill:#{:06x}}}", ink.as_str(), colours.1);
    }
    format!("{FONT}{light}@media(prefers-color-scheme:dark){{{dark}}}")
}

/// Words stand alone.
fn ink(shape: &Shape) -> Option<Ink> {
    match shape {
        Shape::Rect(rect) => Some(rect.ink),
        Shape::Words(_) => None,
    }
}

/// Rectangles of one ink are one path.
fn shown(shapes: &[Shape]) -> maud::Markup {
    let mut path = String::new();
    for shape in shapes {
        match shape {
            Shape::Words(it) => return words(it),
            Shape::Rect(Rect { x, y, width, height, .. }) => {
                let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
            }
        }
    }
    html! { path class=(ink(&shapes[0]).map_or("", Ink::as_str)) d=(path) {} }
}

fn words(words: &Words) -> maud::Markup {
    let anchor = match words.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let ink = Ink::Text.as_str();
    html! { text class=(ink) x=(words.x) y=(words.y) text-anchor=(anchor) { (words.text) } }
}
