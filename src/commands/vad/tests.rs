//! The command on recordings, from its arguments to what it prints.

use std::path::Path;

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(flatten)]
    args: Args,
}

const PLAIN: Canvas = Canvas { width: 80, is_coloured: false };

const RECORDING: &[u8] =
    include_bytes!("../../../tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav");

/// The recording between 1 s and 6 s of digital silence.
fn padded() -> Vec<i16> {
    let mut wav = hound::WavReader::new(RECORDING).unwrap();
    let spoken = wav.samples::<i16>().map(Result::unwrap);
    [0; 16_000].into_iter().chain(spoken).chain([0; 96_000]).collect()
}

/// A directory with `call.wav`: each sample in each channel.
fn with_wav(samples: &[i16], sample_rate: u32, channels: u16) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format };
    let path = directory.path().join("call.wav");
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        for _ in 0..channels {
            writer.write_sample(*sample).unwrap();
        }
    }
    writer.finalize().unwrap();
    directory
}

fn args(file: &Path, options: &[&str]) -> Args {
    let words = ["vad".as_ref(), file.as_os_str()].into_iter();
    CommandLine::parse_from(words.chain(options.iter().map(AsRef::as_ref))).args
}

fn shown_on(canvas: Canvas, file: &Path, options: &[&str]) -> anyhow::Result<String> {
    let args = args(file, options);
    let section = args.section().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(shown(&args, &section, canvas))
}

/// What is printed about the padded recording.
fn told(options: &[&str]) -> String {
    let directory = with_wav(&padded(), 16_000, 1);
    shown_on(PLAIN, &directory.path().join("call.wav"), options).unwrap()
}

fn json(options: &[&str]) -> Value {
    serde_json::from_str(&told(&[options, &["--json"]].concat())).unwrap()
}

fn refusal(file: &Path, options: &[&str]) -> String {
    format!("{:#}", shown_on(PLAIN, file, options).unwrap_err())
}

/// With `UPDATE_GOLDENS` it writes it instead.
fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/vad/tests").join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        return std::fs::write(path, actual).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == actual, "if {name} is to be like this, run with UPDATE_GOLDENS=1:\n{actual}");
}

#[test]
fn the_picture_and_the_figures_are_as_they_were() {
    let options = ["--compare", "0.4,0.55,0.9,0.99", "--price", "0.0077"];
    assert_golden("padded.txt", &told(&options));
}

#[test]
fn a_part_is_shown_closely_and_clipped_speech_is_marked() {
    let options = ["--preroll=0s", "--threshold=0.9", "--from=1s", "--to=2500ms"];
    assert_golden("closely.txt", &told(&options));
}

#[test]
fn the_picture_fits_the_terminal() {
    let directory = with_wav(&padded(), 16_000, 1);
    let file = directory.path().join("call.wav");
    for width in [41, 80, 200] {
        let shown = shown_on(Canvas { width, ..PLAIN }, &file, &[]).unwrap();
        let picture = shown.lines().take_while(|it| !it.contains('<'));
        let widest = picture.map(|it| it.chars().count()).max();
        assert_eq!(widest, Some(width));
    }
}

#[test]
fn colours_are_all_that_a_terminal_has_more() {
    let directory = with_wav(&padded(), 16_000, 1);
    let file = directory.path().join("call.wav");
    let coloured = shown_on(Canvas { is_coloured: true, ..PLAIN }, &file, &[]).unwrap();
    assert!(coloured.contains("\u{1b}[32m"));
    let size = |it| std::num::NonZero::new(it).unwrap();
    let mut terminal = vt100::Parser::new(size(40), size(200), 0);
    terminal.process(coloured.replace('\n', "\r\n").as_bytes());
    assert_eq!(terminal.screen().contents().trim_end(), told(&[]).trim_end());
}

#[test]
fn the_json_accounts_for_all_of_the_recording() {
    let it = json(&["--scores", "--compare=0.5,0.6", "--price=0.6"]);
    let segments = it["segments"].as_array().unwrap();
    let mut end = 0;
    for segment in segments {
        assert_eq!(segment["start_ms"], end, "{segment}");
        end = segment["end_ms"].as_u64().unwrap();
    }
    assert_eq!((end, &it["recording"]["duration_ms"]), (9_990, &9_990.into()));
    let held = segments.iter().filter(|it| it["fate"] == "held");
    let held = held.map(|it| it["end_ms"].as_u64().unwrap() - it["start_ms"].as_u64().unwrap());
    assert_eq!(held.sum::<u64>(), it["summary"]["held_ms"].as_u64().unwrap());
    assert_eq!(it["scores"].as_array().unwrap().len(), 624);
    assert_eq!(it["gate"]["threshold"].to_string(), "0.55");
    assert_eq!(it["compared"].as_array().unwrap().len(), 2);
    assert_eq!(it["summary"]["full_usd"], 0.0999);
}

#[test]
fn what_was_not_asked_for_is_not_in_the_json() {
    let it = json(&[]);
    for member in ["scores", "compared"] {
        assert!(it.get(member).is_none(), "{member}");
    }
    assert!(it["summary"].get("saved_usd").is_none());
}

#[test]
fn a_higher_threshold_saves_more_and_clips_more() {
    let it = json(&["--preroll=0s", "--compare=0.4,0.6,0.9,0.99"]);
    let compared = it["compared"].as_array().unwrap();
    for member in ["held_ms", "clipped_ms"] {
        let values: Vec<_> = compared.iter().map(|it| it[member].as_u64().unwrap()).collect();
        assert!(values.is_sorted() && values[0] < values[3], "{member}: {values:?}");
    }
    assert_eq!(compared[3]["clipped_per_1000"], 1_000.0);
    assert_eq!(json(&[])["summary"]["clipped_ms"], 0, "the defaults clip nothing of it");
}

#[test]
fn each_rate_and_any_channel_is_heard_alike() {
    let at_16_khz = padded();
    let twice: Vec<_> = at_16_khz.iter().flat_map(|it| [*it; 3]).collect();
    for (samples, rate, channels) in [(&at_16_khz, 16_000, 8), (&twice, 48_000, 2)] {
        let directory = with_wav(samples, rate, channels);
        let file = directory.path().join("call.wav");
        let it: Value =
            serde_json::from_str(&shown_on(PLAIN, &file, &["--json"]).unwrap()).unwrap();
        assert_eq!(it["recording"]["channels"], channels);
        let held = it["summary"]["held_ms"].as_u64().unwrap();
        assert!((3_000..3_500).contains(&held), "{rate} Hz: {held}");
    }
}

/// The file that `--output` makes of the padded recording.
fn drawn(name: &str, options: &[&str]) -> Vec<u8> {
    let directory = with_wav(&padded(), 16_000, 1);
    let path = directory.path().join(name);
    let output = format!("--output={}", path.display());
    let file = directory.path().join("call.wav");
    shown_on(PLAIN, &file, &[options, &[&output]].concat()).unwrap();
    std::fs::read(path).unwrap()
}

/// The attribute `d` of each path, by class.
fn path<'a>(svg: &'a roxmltree::Document<'_>, class: &str) -> Vec<&'a str> {
    let paths = svg.descendants().filter(|it| it.has_tag_name("path"));
    let of_class = paths.filter(|it| it.attribute("class") == Some(class));
    of_class.map(|it| it.attribute("d").unwrap()).collect()
}

#[test]
fn the_svg_has_what_the_terminal_has() {
    let text = String::from_utf8(drawn("call.svg", &["--preroll=100ms"])).unwrap();
    let svg = roxmltree::Document::parse(&text).unwrap();
    assert_eq!(svg.root_element().attribute("viewBox"), Some("0 0 1200 460"));
    // Besides the one in the legend.
    for (class, times) in [("preroll", 1), ("speech", 2), ("hangover", 2), ("finalize", 1)] {
        let bands = path(&svg, class).concat();
        assert!(bands.matches('M').count() > times, "{class}: {bands}");
    }
    assert_eq!(path(&svg, "clipped").concat().matches('M').count(), 1, "only in the legend");
    let words: Vec<_> = svg.descendants().filter(|it| it.has_tag_name("text")).collect();
    let words: Vec<_> = words.iter().filter_map(|it| it.text()).collect();
    for expected in
        ["0.55", "9s", "-60 dBFS", "held back", "call.wav: linear16 at 16000 Hz with 1 channel"]
    {
        assert!(words.contains(&expected), "{words:?}");
    }
    let clipping =
        String::from_utf8(drawn("call.svg", &["--preroll=0s", "--threshold=0.9"])).unwrap();
    let svg = roxmltree::Document::parse(&clipping).unwrap();
    assert!(path(&svg, "clipped").concat().matches('M').count() > 10);
}

/// A voice, and after a pause the same 26 dB quieter, in a quiet room.
fn near_and_far() -> Vec<i16> {
    let mut wav = hound::WavReader::new(RECORDING).unwrap();
    let voice: Vec<_> = wav.samples::<i16>().map(Result::unwrap).collect();
    let pause = |seconds: usize| std::iter::repeat_n(0, seconds * 16_000);
    let near = pause(3).chain(voice.iter().copied());
    let all = near.chain(pause(7)).chain(voice.iter().map(|it| it / 20)).chain(pause(6));
    // Any noise that is the same each time will do: this is a linear congruence.
    let mut noise = 1_u32;
    let with_noise = all.map(|sample| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sample + (noise >> 16) as i16 % 12
    });
    with_noise.collect()
}

#[test]
fn the_documents_picture_is_what_the_command_draws() {
    let directory = with_wav(&near_and_far(), 16_000, 1);
    let drawn = directory.path().join("vad.svg");
    let options = ["--output", drawn.to_str().unwrap()];
    shown_on(PLAIN, &directory.path().join("call.wav"), &options).unwrap();
    let drawn = std::fs::read_to_string(drawn).unwrap();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/vad.svg");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(published, drawn).unwrap();
    }
    let published = std::fs::read_to_string(published).unwrap();
    let words = |text: &str| {
        let svg = roxmltree::Document::parse(text).unwrap();
        let words = svg.descendants().filter(|it| it.has_tag_name("text"));
        words.filter_map(|it| it.text().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(
        words(&published),
        words(&drawn),
        "stale: UPDATE_DOCS=1 cargo test --lib commands::vad"
    );
}

#[test]
fn a_name_cannot_break_the_svg() {
    let directory = with_wav(&padded(), 16_000, 1);
    let file = directory.path().join("a&<b>\u{1}\u{202e}.wav");
    std::fs::rename(directory.path().join("call.wav"), &file).unwrap();
    let path = directory.path().join("x.SVG");
    shown_on(PLAIN, &file, &["-o", path.to_str().unwrap()]).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let svg = roxmltree::Document::parse(&text).unwrap();
    let title = svg.descendants().find(|it| it.has_tag_name("title")).and_then(|it| it.text());
    assert!(title.unwrap().starts_with("a&<b>\\u{1}\\u{202e}.wav: linear16"), "{title:?}");
}

#[test]
fn the_png_has_the_same_colours_in_the_same_places() {
    let bytes = drawn("call.png", &[]);
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.width, frame.height), (1_200, 460));
    let at = |x: usize, y: usize| pixels[(y * 1_200 + x) * 3..][..3].to_vec();
    // Half way up the band of the gate: 0.5 s is held back, 2.5 s speech, and 6 s hangover below.
    let x = |seconds: f64| 90 + (seconds / 9.99 * 1_090.0) as usize;
    assert_eq!(at(x(0.5), 345), [0xff, 0xff, 0xff]);
    assert_eq!(at(x(2.5), 345), [0x2d, 0xa4, 0x4e]);
    assert_eq!(at(x(6.0), 355), [0xd4, 0xa7, 0x2c]);
    let words = (10..30).any(|y| (90..300).any(|x| at(x, y) == [0x24, 0x29, 0x2f]));
    assert!(words, "the title is missing");
}

#[test]
fn other_kinds_of_files_are_refused() {
    for name in ["call.gif", "call", ".svg", ""] {
        let output = format!("--output={name}");
        let refused = CommandLine::try_parse_from(["vad", "a.wav", &output]).unwrap_err();
        assert!(refused.to_string().contains(".svg or .png") || name.is_empty(), "{refused}");
    }
    let nowhere = ["--output=/nowhere/call.svg"];
    let directory = with_wav(&padded(), 16_000, 1);
    let refusal = refusal(&directory.path().join("call.wav"), &nowhere);
    assert!(refusal.starts_with("cannot write /nowhere/call.svg"), "{refusal}");
}

#[test]
fn what_cannot_be_heard_is_refused_with_a_way_out() {
    for (rate, channels, said) in [
        (
            96_000,
            1,
            "it can hear only sample rates from 8000 to 48000; convert the recording, as in `sox",
        ),
        (16_000, 9, "it can hear at most 8 channels; convert"),
    ] {
        let directory = with_wav(&[0; 960], rate, channels);
        let refusal = refusal(&directory.path().join("call.wav"), &[]);
        assert!(refusal.contains(said), "{refusal}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("call.mp3");
    std::fs::write(&file, b"ID3 and more").unwrap();
    assert!(refusal(&file, &[]).contains("is not a WAV file; for raw PCM pass --encoding"));
    let linear32 = refusal(&file, &["--encoding=linear32"]);
    assert!(linear32.contains("it can hear only linear16, mulaw and alaw"), "{linear32}");
    assert!(refusal(&directory.path().join("none.wav"), &[]).contains("cannot open"));
    std::fs::write(&file, b"").unwrap();
    assert!(refusal(&file, &["--encoding=mulaw"]).contains("there is no audio in it"));
}

#[test]
fn what_there_is_of_a_file_that_was_cut_short_is_heard() {
    let directory = with_wav(&padded(), 16_000, 1);
    let file = directory.path().join("call.wav");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let shown = shown_on(PLAIN, &file, &[]).unwrap();
    assert!(shown.contains("with 1 channel, 4.90 s"), "{shown}");
    assert!(
        shown.contains("note the file is shorter than its header says; everything in it was heard")
    );
    let json = shown_on(PLAIN, &file, &["--json"]).unwrap();
    assert!(json.contains("\"cut_short\":true"), "{json}");
}

#[test]
fn a_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = refusal(directory.path(), &[]);
    assert!(
        refusal.starts_with(&format!("cannot read {}", directory.path().display())),
        "{refusal}"
    );
}

/// Without speech that reaches the threshold, but not silent.
#[test]
fn sound_in_which_nothing_was_heard_raises_a_question() {
    let question = "no speech was heard, but there is sound";
    assert!(told(&["--threshold=0.99"]).contains(question));
    assert!(!told(&[]).contains(question));
    let directory = with_wav(&[0; 16_000], 16_000, 1);
    let silent = shown_on(PLAIN, &directory.path().join("call.wav"), &[]).unwrap();
    assert!(!silent.contains(question), "{silent}");
}

#[test]
fn what_a_long_recording_hides_is_said() {
    let long: Vec<_> = padded().into_iter().cycle().take(300 * 16_000).collect();
    let directory = with_wav(&long, 16_000, 1);
    let file = directory.path().join("call.wav");
    let narrow = Canvas { width: 41, ..PLAIN };
    let shown = shown_on(narrow, &file, &["--hangover=400ms", "--threshold=0.9"]).unwrap();
    assert!(shown.contains("A column is 10.0 s."), "{shown}");
    assert!(shown.contains("The pre-roll is too short to be seen"), "{shown}");
    assert!(shown.contains("A digit in the row finalize"), "{shown}");
    let closely = shown_on(narrow, &file, &["--to=5s"]).unwrap();
    assert!(!closely.contains("A column is"), "{closely}");
}

/// As in a session: with long messages it would otherwise be another gate that is tried.
#[test]
fn long_messages_are_followed_as_closely_as_short_ones() {
    let held = |frame| json(&[frame])["summary"]["held_ms"].as_u64().unwrap();
    assert!(held("--frame=250ms").abs_diff(held("--frame=5s")) < 250);
}

#[test]
fn a_level_over_full_scale_is_not_told() {
    let square: Vec<_> =
        (0..16_000).map(|at| if at % 20 < 10 { 32_767 } else { -32_767 }).collect();
    let directory = with_wav(&square, 16_000, 1);
    let shown = shown_on(PLAIN, &directory.path().join("call.wav"), &[]).unwrap();
    assert!(shown.contains("louder than 0 dBFS"), "{shown}");
}

#[test]
fn raw_audio_is_heard_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("call.ul");
    std::fs::write(&file, [0xff; 16_000]).unwrap();
    let shown = shown_on(PLAIN, &file, &["--encoding=mulaw"]).unwrap();
    assert!(shown.contains("call.ul: mulaw at 8000 Hz with 1 channel, 2.00 s\n"), "{shown}");
    assert!(shown.contains("100.0 % saved"), "{shown}");
}

#[test]
fn a_view_without_audio_is_refused() {
    let directory = with_wav(&padded(), 16_000, 1);
    let file = directory.path().join("call.wav");
    for options in [&["--from=10s"][..], &["--from=3s", "--to=3s"], &["--from=3s", "--to=2s"]] {
        assert!(refusal(&file, options).contains("no audio between --from and --to"));
    }
}

#[test]
fn the_configuration_has_the_defaults_and_options_override_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sidecar.yaml");
    std::fs::write(&file, "vad: {threshold: 0.4, preroll: 1s, price_per_minute: 0.5}\n").unwrap();
    let config = format!("--config={}", file.display());
    let section = args(Path::new("a.wav"), &[&config, "--preroll=200ms"]).section().unwrap();
    assert_eq!((section.threshold, section.price_per_minute), (0.4, Some(0.5)));
    assert_eq!(section.preroll, Duration::from_millis(200));
    assert_eq!(section.hangover, Duration::from_secs(4));
}

#[test]
fn a_bad_value_is_refused_by_the_name_of_its_option() {
    for (option, said) in [
        ("--threshold=1", "--threshold: must be over 0 and under 1, not 1"),
        ("--preroll=6s", "--preroll: must be"),
        ("--hangover=soon", "--hangover: must be"),
        ("--finalize-after=5s", "--finalize-after: must be at most vad.hangover"),
        ("--price=free", "--price: must be"),
    ] {
        let problems = args(Path::new("a.wav"), &[option]).section().unwrap_err();
        assert!(problems.starts_with(said), "{problems}");
    }
    let check = |options: &[&str]| args(Path::new("a.wav"), options).check_view();
    assert_eq!(check(&["--from=12s", "--to=5s"]).unwrap_err(), "--to: must be later than --from");
    assert_eq!(check(&["--from=5s", "--to=12s"]), Ok(()));
    for options in [&["--compare=0.5,1"][..], &["--frame=0s"], &["--scores"]] {
        let words = ["vad", "a.wav"].iter().chain(options);
        assert!(CommandLine::try_parse_from(words).is_err(), "{options:?}");
    }
    let all = ["0.5"; 21].join(",");
    assert!(
        refusal(&with_wav(&[0; 160], 8_000, 1).path().join("call.wav"), &["--compare", &all])
            .contains("compare at most 20")
    );
}
