use super::*;

struct KeyFile {
    directory: tempfile::TempDir,
    upstream: Upstream,
}

impl KeyFile {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, text).unwrap();
        let upstream = Upstream { api_key_file: Some(path), ..Upstream::default() };
        Self { directory, upstream }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    fn load(&self) -> Result<KeyStore, KeyError> {
        KeyStore::load(&self.upstream, &[])
    }
}

fn environment(key: &str) -> Vec<(String, String)> {
    vec![("PATH".into(), "/bin".into()), (KEY_VARIABLE.into(), key.into())]
}

fn held(store: &KeyStore) -> String {
    store.current().unwrap().expose().to_owned()
}

#[test]
fn a_key_is_shown_to_nobody_by_debug() {
    let store = KeyStore::load(&Upstream::default(), &environment("very-secret")).unwrap();
    assert!(!format!("{store:?} {:?}", store.current()).contains("very-secret"));
    assert_eq!(held(&store), "very-secret");
}

#[test]
fn the_file_goes_before_the_variable() {
    let file = KeyFile::new("from-file\n");
    let store = KeyStore::load(&file.upstream, &environment("from-variable")).unwrap();
    assert_eq!(held(&store), "from-file");
    assert_eq!(store.source(), Some(&KeySource::File(file.path())));
}

#[test]
fn no_key_is_an_error_that_says_where_to_put_one() {
    for environment in [Vec::new(), environment("")] {
        let error = KeyStore::load(&Upstream::default(), &environment).unwrap_err();
        assert!(matches!(error, KeyError::Missing));
        assert!(
            error.to_string().contains("no API key: set DEEPGRAM_API_KEY or upstream.api_key_file")
        );
    }
}

#[test]
fn without_authentication_no_key_is_needed_nor_read() {
    let upstream = Upstream { auth: Auth::None, ..KeyFile::new("").upstream };
    let store = KeyStore::load(&upstream, &environment("unused")).unwrap();
    assert!(store.current().is_none() && store.source().is_none());
    assert!(matches!(store.refresh(), Refresh::Unchanged));
}

#[test]
fn a_file_that_holds_no_key_is_refused_without_being_shown() {
    let longest = "k".repeat(KEY_BYTES_MAX);
    assert!(KeyFile::new(&format!("{longest}\r\n")).load().is_ok());
    for text in ["", " \n", "Token secret", "secret\nsecret", "sécret", &format!("{longest}k")] {
        let error = KeyFile::new(text).load().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let file = KeyFile::new("x");
    fs::write(file.path(), b"\xff\xfe").unwrap();
    assert!(matches!(file.load(), Err(KeyError::NotPrintable)));
}

#[test]
fn a_swapped_link_replaces_the_key() {
    let file = KeyFile::new("");
    let (directory, link) = (file.directory.path(), file.path());
    fs::remove_file(&link).unwrap();
    for version in ["one", "two"] {
        fs::create_dir(directory.join(version)).unwrap();
        fs::write(directory.join(version).join("key"), format!("key-{version}")).unwrap();
    }
    // As the kubelet does: `key` leads through `..data`, which is swapped by a rename.
    let data = directory.join("..data");
    std::os::unix::fs::symlink("one", &data).unwrap();
    std::os::unix::fs::symlink("..data/key", &link).unwrap();
    let store = file.load().unwrap();
    assert!(matches!(store.refresh(), Refresh::Unchanged));
    std::os::unix::fs::symlink("two", directory.join("..new")).unwrap();
    fs::rename(directory.join("..new"), &data).unwrap();
    assert!(matches!(store.refresh(), Refresh::Replaced));
    assert_eq!(held(&store), "key-two");
}

#[test]
fn the_same_key_written_again_is_no_replacement() {
    let file = KeyFile::new("same");
    let store = file.load().unwrap();
    fs::write(file.path(), "same\n").unwrap();
    assert!(matches!(store.refresh(), Refresh::Unchanged));
}

#[test]
fn a_file_that_fails_keeps_the_old_key_until_it_is_mended() {
    let file = KeyFile::new("old");
    let store = file.load().unwrap();
    fs::write(file.path(), "").unwrap();
    for _ in 0..2 {
        assert!(matches!(store.refresh(), Refresh::Failed(KeyError::Empty)));
    }
    fs::remove_file(file.path()).unwrap();
    assert!(matches!(store.refresh(), Refresh::Failed(KeyError::Unreadable(_))));
    assert_eq!(held(&store), "old");
    fs::write(file.path(), "new-key").unwrap();
    assert!(matches!(store.refresh(), Refresh::Replaced));
    assert_eq!(held(&store), "new-key");
}

#[test]
fn a_token_file_is_told_of_as_one() {
    let told = |text: &str| {
        ApiKey::read_token(&KeyFile::new(text).path()).map(drop).unwrap_err().to_string()
    };
    let longest = "t".repeat(KEY_BYTES_MAX);
    assert_eq!(
        ApiKey::read_token(&KeyFile::new(&longest).path()).map(|it| it.expose().len()).ok(),
        Some(KEY_BYTES_MAX)
    );
    let unreadable = ApiKey::read_token(Path::new("/proc/none")).map(drop).unwrap_err().to_string();
    for text in [unreadable, told(""), told("two words"), told(&format!("{longest}t"))] {
        assert!(text.starts_with("ipc.tcp_token_file: ") && text.contains("the token"), "{text}");
        assert!(!text.to_lowercase().contains("key") && !text.contains("words"), "{text}");
    }
}
