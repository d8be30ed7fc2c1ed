//! A drawing of rectangles and words, for any kind of picture.

/// In pixels.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) title: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// What comes later covers what is there.
    pub(super) shapes: Vec<Shape>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Rect(Rect),
    Words(Words),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) ink: Ink,
}

/// A line of text, whose baseline is at `y`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) anchor: Anchor,
    pub(super) text: String,
}

/// Which part of a text is at its `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What a shape stands for, and so its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Paper,
    Text,
    Grid,
    Level,
    /// Scores that are not over the threshold.
    Below,
    Threshold,
    Held,
    Preroll,
    /// Scores over the threshold as well.
    Speech,
    Hangover,
    Finalize,
    Clipped,
}

impl Ink {
    pub(super) const ALL: [Self; 12] = [
        Self::Paper,
        Self::Text,
        Self::Grid,
        Self::Level,
        Self::Below,
        Self::Threshold,
        Self::Held,
        Self::Preroll,
        Self::Speech,
        Self::Hangover,
        Self::Finalize,
        Self::Clipped,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Text => "text",
            Self::Grid => "grid",
            Self::Level => "level",
            Self::Below => "below",
            Self::Threshold => "threshold",
            Self::Held => "held",
            Self::Preroll => "preroll",
            Self::Speech => "speech",
            Self::Hangover => "hangover",
            Self::Finalize => "finalize",
            Self::Clipped => "clipped",
        }
    }

    /// Red, green and blue on a light page, and on a dark one.
    pub(super) fn colours(self) -> (u32, u32) {
        match self {
            Self::Paper => (0xff_ff_ff, 0x0d_11_17),
            Self::Text => (0x24_29_2f, 0xd1_d5_da),
            Self::Grid => (0xe4_e8_ec, 0x26_2c_34),
            Self::Level => (0x4c_78_a8, 0x6e_a8_dc),
            Self::Below => (0x9a_a4_ae, 0x6e_76_81),
            Self::Threshold => (0xbc_4c_00, 0xf0_88_3e),
            Self::Held => (0x9a_a4_ae, 0x6e_76_81),
            Self::Preroll => (0x21_8b_ff, 0x38_8b_fd),
            Self::Speech => (0x2d_a4_4e, 0x3f_b9_50),
            Self::Hangover => (0xd4_a7_2c, 0xbb_80_09),
            Self::Finalize => (0x82_50_df, 0xa3_71_f7),
            Self::Clipped => (0xcf_22_2e, 0xf8_51_49),
        }
    }
}

impl Drawing {
    pub(super) fn new(title: &str, width: u32, height: u32) -> Self {
        let mut drawing = Self { title: title.into(), width, height, shapes: Vec::new() };
        drawing.rect((0, 0), (width, height), Ink::Paper);
        drawing
    }

    /// Nothing is left out that has an area.
    pub(super) fn rect(&mut self, (x, y): (u32, u32), (width, height): (u32, u32), ink: Ink) {
        if width > 0 && height > 0 {
            self.shapes.push(Shape::Rect(Rect { x, y, width, height, ink }));
        }
    }

    pub(super) fn words(&mut self, (x, y): (u32, u32), anchor: Anchor, text: impl Into<String>) {
        self.shapes.push(Shape::Words(Words { x, y, anchor, text: text.into() }));
    }
}
