//! The palette against WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for what a chart shows (1.4.11).
//! <https://www.w3.org/TR/WCAG22/#contrast-minimum>

use std::collections::BTreeMap;

use crate::render::html::STYLE;

/// The colours of every `:root` block, in order: light, dark, print.
fn palettes() -> Vec<BTreeMap<String, [f64; 3]>> {
    STYLE
        .split(":root {")
        .skip(1)
        .map(|rest| {
            let block = rest.split('}').next().unwrap();
            block
                .split(';')
                .filter_map(|declaration| {
                    let (name, value) = declaration.trim().strip_prefix("--")?.split_once(": #")?;
                    let byte =
                        |at: usize| u8::from_str_radix(value.get(at..at + 2).unwrap(), 16).unwrap();
                    Some((name.to_owned(), [byte(0), byte(2), byte(4)].map(linear)))
                })
                .collect()
        })
        .collect()
}

fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

fn luminance([r, g, b]: [f64; 3]) -> f64 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn black_on_white_is_21_to_1() {
    let of = |c: u8| [c, c, c].map(linear);
    assert!((contrast(of(0), of(255)) - 21.0).abs() < 1e-9);
    // The classic: #767676 is the lightest grey that passes on white.
    assert!(contrast(of(0x76), of(255)) >= 4.5 && contrast(of(0x77), of(255)) < 4.5);
}

#[test]
fn the_palette_can_be_read() {
    let text = [
        ("ink", "paper"),
        ("ink", "card"),
        ("ink", "code"),
        ("ink", "waits-tint"),
        ("soft", "paper"),
        ("soft", "card"),
        ("good", "card"),
        ("good", "good-tint"),
        ("waits", "card"),
        ("waits", "waits-tint"),
        ("bad", "card"),
        ("bad", "bad-tint"),
        ("plain", "card"),
        ("plain", "paper"),
        ("plain", "plain-tint"),
    ];
    // Badges also stand on the page itself; parts of a chart stand on a card, bars on their track.
    let drawn = [
        ("good", "card"),
        ("waits", "card"),
        ("bad", "card"),
        ("soft", "card"),
        ("good", "track"),
        ("waits", "track"),
        ("bad", "track"),
        ("soft", "track"),
    ];
    let palettes = palettes();
    assert_eq!(palettes.len(), 3, "light, dark, print");
    for (n, palette) in palettes.iter().enumerate() {
        for (pairs, least) in [(&text[..], 4.5), (&drawn[..], 3.0)] {
            for (one, other) in pairs {
                let found = contrast(palette[*one], palette[*other]);
                assert!(found >= least, "palette {n}: {one} on {other} is {found:.2}");
            }
        }
    }
}
