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
fn raw_audio_is_heard_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("call.ul");
    std::fs::write(&file, [0xff; 16_000]).unwrap();
    let shown = shown_on(PLAIN, &file, &["--encoding=mulaw", "--sample-rate=8000"]).unwrap();
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
        ("--threshold=1", "--threshold: must be"),
        ("--preroll=6s", "--preroll: must be"),
        ("--hangover=soon", "--hangover: must be"),
        ("--finalize-after=5s", "--finalize-after: vad.finalize_after must be at most"),
        ("--price=free", "--price: must be"),
    ] {
        let problems = args(Path::new("a.wav"), &[option]).section().unwrap_err();
        assert!(problems.starts_with(said), "{problems}");
    }
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
