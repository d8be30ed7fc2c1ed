//! What each module defines, imports and names, parsed from the sources.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module, either inline or a file. Paths are text, as in the code.
#[derive(Default)]
pub(super) struct Module {
    pub(super) file: String,
    pub(super) children: BTreeSet<String>,
    pub(super) items: BTreeSet<String>,
    /// Imported names with their paths. A name may occur twice, for a macro and for a type.
    pub(super) imports: Vec<(String, String)>,
    pub(super) globs: Vec<String>,
    /// All paths in its code, including those of `use`.
    pub(super) named: BTreeSet<String>,
    /// Paths that it re-exports, as `pub use` or as a type alias.
    pub(super) handed_on: BTreeSet<String>,
    /// Attributes and macros that include code without naming it.
    pub(super) smuggled: Vec<&'static str>,
}

/// All modules, by path; the first part is the crate's name.
pub(super) type Modules = BTreeMap<String, Module>;

/// Parses a crate, starting at its root file and following `mod`. `texts` has the files by path.
pub(super) fn read_crate(name: &str, root: &str, texts: &BTreeMap<&str, &str>, into: &mut Modules) {
    let folder = root.rsplit_once('/').expect("a root stands in src").0;
    read_file(Place { path: name.to_owned(), folder: folder.to_owned() }, root, texts, into);
}

/// Where a module stands.
struct Place {
    path: String,
    /// The directory of its children's files.
    folder: String,
}

fn read_file(place: Place, file: &str, texts: &BTreeMap<&str, &str>, into: &mut Modules) {
    let text = texts.get(file).unwrap_or_else(|| panic!("there is no {file}"));
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    read_items(place, file, &parsed.items, texts, into);
}

fn read_items(
    place: Place,
    file: &str,
    items: &[Item],
    texts: &BTreeMap<&str, &str>,
    into: &mut Modules,
) {
    let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() } };
    for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
        let Item::Mod(child) = item else {
            reader.visit_item(item);
            continue;
        };
        reader.visit_mod_attributes(&child.attrs);
        let name = child.ident.to_string();
        let below = format!("{}/{name}", place.folder);
        let inner = Place { path: format!("{}::{name}", place.path), folder: below.clone() };
        match &child.content {
            Some((_, items)) => read_items(inner, file, items, texts, into),
            None => read_file(inner, &format!("{below}.rs"), texts, into),
        }
        reader.module.children.insert(name);
    }
    into.insert(place.path, reader.module);
}

struct Reader {
    module: Module,
}

impl Reader {
    /// `#[path]` can pull in another room's file; `#[macro_use]` exports macros without a path.
    fn visit_mod_attributes(&mut self, attributes: &[Attribute]) {
        for (word, found) in [("path", "#[path]"), ("macro_use", "#[macro_use]")] {
            if attributes.iter().any(|it| it.path().is_ident(word)) {
                self.module.smuggled.push(found);
            }
        }
    }

    fn take_use(&mut self, tree: &UseTree, before: &str, is_public: bool) {
        let join = |name: &str| match (before, name) {
            ("", name) => name.to_owned(),
            ("::", name) => format!("::{name}"),
            (before, "self") => before.to_owned(),
            (before, name) => format!("{before}::{name}"),
        };
        match tree {
            UseTree::Path(it) => self.take_use(&it.tree, &join(&text(&it.ident)), is_public),
            UseTree::Group(it) => {
                it.items.iter().for_each(|it| self.take_use(it, before, is_public))
            }
            UseTree::Glob(_) => {
                self.module.globs.push(before.to_owned());
                self.take_path(before.to_owned(), is_public);
            }
            UseTree::Name(it) => self.import(join(&text(&it.ident)), None, is_public),
            UseTree::Rename(it) => {
                self.import(join(&text(&it.ident)), Some(text(&it.rename)), is_public);
            }
        }
    }

    fn import(&mut self, path: String, name: Option<String>, is_public: bool) {
        let last = path.rsplit("::").next().expect("split gives one part at least").to_owned();
        let name = name.unwrap_or(last);
        // In `use a::a` the first `a` can only be a crate.
        let is_crate = path.split("::").next() == Some(&*name);
        let path = if is_crate { format!("::{path}") } else { path };
        self.module.imports.push((name, path.clone()));
        self.take_path(path, is_public);
    }

    fn take_path(&mut self, path: String, is_public: bool) {
        if is_public {
            self.module.handed_on.insert(path.clone());
        }
        self.module.named.insert(path);
    }

    /// Finds paths among the tokens of a macro. A single word only counts if it could be a type;
    /// the others are variables and fields.
    fn take_tokens(&mut self, tokens: &TokenStream) {
        let mut path = String::new();
        for token in tokens.clone() {
            match token {
                TokenTree::Ident(it) if path.is_empty() || path.ends_with("::") => {
                    path.push_str(&text(&it));
                }
                TokenTree::Punct(it) if it.as_char() == ':' && !path.ends_with("::") => {
                    path.push(':');
                }
                token => {
                    self.take_words(&std::mem::take(&mut path));
                    match token {
                        TokenTree::Group(it) => self.take_tokens(&it.stream()),
                        TokenTree::Ident(it) => path.push_str(&text(&it)),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.take_words(&path);
    }

    fn take_words(&mut self, path: &str) {
        let path = path.trim_end_matches(':');
        if path.contains("::") || path.starts_with(char::is_uppercase) {
            self.module.named.insert(path.to_owned());
        }
    }
}

impl Visit<'_> for Reader {
    fn visit_item(&mut self, item: &Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        self.module.items.extend(name_of(item));
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        let before = if item.leading_colon.is_some() { "::" } else { "" };
        self.take_use(&item.tree, before, is_public(&item.vis));
    }

    fn visit_item_extern_crate(&mut self, item: &syn::ItemExternCrate) {
        let name = item.rename.as_ref().map(|(_, name)| text(name));
        let path = match &*text(&item.ident) {
            "self" => "crate".to_owned(),
            name => format!("::{name}"),
        };
        self.import(path, name, is_public(&item.vis));
    }

    fn visit_item_type(&mut self, item: &syn::ItemType) {
        if is_public(&item.vis) {
            let mut inside = Self { module: Module::default() };
            inside.visit_type(&item.ty);
            self.module.handed_on.extend(inside.module.named);
        }
        visit::visit_item_type(self, item);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|it| text(&it.ident)).collect();
        let before = match (&path.leading_colon, parts.len()) {
            (Some(_), _) => "::",
            // Never a crate, but a variable, a function or a type.
            (None, 1) => "self::",
            (None, _) => "",
        };
        self.module.named.insert(format!("{before}{}", parts.join("::")));
        visit::visit_path(self, path);
    }

    /// `pub(in path)` uses nothing of that path.
    fn visit_visibility(&mut self, _: &Visibility) {}

    fn visit_macro(&mut self, it: &syn::Macro) {
        if it.path.is_ident("include") {
            self.module.smuggled.push("include!");
        }
        visit::visit_macro(self, it);
    }

    fn visit_token_stream(&mut self, tokens: &TokenStream) {
        self.take_tokens(tokens);
    }
}

fn text(name: &proc_macro2::Ident) -> String {
    name.to_string().trim_start_matches("r#").to_owned()
}

fn is_public(visibility: &Visibility) -> bool {
    !matches!(visibility, Visibility::Inherited)
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |it: &Attribute| it.parse_args::<syn::Ident>().is_ok_and(|it| it == "test");
    attributes.iter().any(|it| it.path().is_ident("cfg") && is_test(it))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::ExternCrate(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The item's name; imports and impl blocks have none.
fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        _ => return None,
    };
    Some(text(name))
}
