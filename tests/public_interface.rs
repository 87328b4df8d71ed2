//! The public interface of the crate is what `tests/public-interface.txt` says (contract 8): whoever changes it sees that,
//! and commits the new list.

#![allow(clippy::expect_used, clippy::panic)] // Tests report by panicking.
#![allow(clippy::wildcard_enum_match_arm)] // syn's enums, which grow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, Visibility};

const BASELINE: &str = "tests/public-interface.txt";
const UPDATE: &str = "UPDATE_PUBLIC_INTERFACE";

/// Everything that is `pub` can be reached from outside: the lint `unreachable_pub` sees to it. What C programs reach is
/// not of interest here: the committed header and `tests/exported-symbols.txt` have it.
#[test]
fn the_public_interface_is_as_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let items: Vec<Item> = sources(&root.join("src"))
        .iter()
        .filter(|path| !["src/ffi", "src/handoff/assist"].iter().any(|folder| path.starts_with(root.join(folder))))
        .flat_map(|path| items_of(path))
        .collect();
    let mut listing = Listing::default();
    items.iter().for_each(|item| listing.note_type(item));
    items.iter().for_each(|item| listing.add(item));
    let found: String = listing.lines.iter().map(|line| format!("{line}\n")).collect();
    let baseline = root.join(BASELINE);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&baseline, &found).expect("the list can be written");
    }
    let committed = std::fs::read_to_string(&baseline).unwrap_or_default();
    if found == committed {
        return;
    }
    let (new, old): (BTreeSet<&str>, BTreeSet<&str>) = (found.lines().collect(), committed.lines().collect());
    new.difference(&old).for_each(|line| eprintln!("+ {line}"));
    old.difference(&new).for_each(|line| eprintln!("- {line}"));
    panic!("the public interface has changed; if that is meant: {UPDATE}=1 cargo test --test public_interface");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    let each = entries.into_iter().flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    each.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

fn items_of(path: &Path) -> Vec<Item> {
    let text = std::fs::read_to_string(path).expect("a file");
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).items
}

#[derive(Default)]
struct Listing {
    types: BTreeSet<String>,
    lines: BTreeSet<String>,
}

impl Listing {
    fn note_type(&mut self, item: &Item) {
        let name = match item {
            Item::Struct(item) if is_public(&item.vis) => &item.ident,
            Item::Enum(item) if is_public(&item.vis) => &item.ident,
            _ => return,
        };
        self.types.insert(name.to_string());
    }

    fn add(&mut self, item: &Item) {
        match item {
            Item::Struct(item) if is_public(&item.vis) => {
                self.line(&item.attrs, format!("struct {}{}", item.ident, item.generics.to_token_stream()));
                for field in item.fields.iter().filter(|field| is_public(&field.vis)) {
                    let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                    self.line(&field.attrs, format!("struct {}: {name}: {}", item.ident, tokens(&field.ty)));
                }
            }
            Item::Enum(item) if is_public(&item.vis) => {
                self.line(&item.attrs, format!("enum {}", item.ident));
                for variant in &item.variants {
                    let mut variant = variant.clone();
                    variant.attrs.clear();
                    variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                    self.line(&[], format!("enum {}: {}", item.ident, tokens(&variant)));
                }
            }
            Item::Fn(item) if is_public(&item.vis) => self.line(&item.attrs, tokens(&item.sig)),
            Item::Const(item) if is_public(&item.vis) => {
                self.line(&item.attrs, format!("const {}: {}", item.ident, tokens(&item.ty)));
            }
            Item::Type(item) if is_public(&item.vis) => {
                self.line(&item.attrs, format!("type {} = {}", item.ident, tokens(&item.ty)));
            }
            Item::Static(item) if is_public(&item.vis) => {
                self.line(&item.attrs, format!("static {}: {}", item.ident, tokens(&item.ty)));
            }
            Item::Trait(item) if is_public(&item.vis) => {
                self.line(&item.attrs, format!("trait {}", item.ident));
                for member in &item.items {
                    self.line(&[], format!("trait {}: {}", item.ident, tokens(member)));
                }
            }
            Item::Mod(item) if is_public(&item.vis) => self.line(&item.attrs, format!("mod {}", item.ident)),
            Item::Use(item) if is_public(&item.vis) => self.line(&item.attrs, tokens(&item.tree)),
            Item::Impl(item) => self.add_impl(item),
            _ => {}
        }
    }

    fn add_impl(&mut self, item: &syn::ItemImpl) {
        let target = tokens(&item.self_ty);
        if let Some((_, of, _)) = &item.trait_ {
            if self.types.iter().any(|name| target == *name || tokens(of).contains(&format!("<{name}>"))) {
                self.line(&item.attrs, format!("impl {} for {target}", tokens(of)));
            }
            return;
        }
        for member in &item.items {
            if let ImplItem::Fn(function) = member {
                if is_public(&function.vis) {
                    self.line(&function.attrs, format!("{target}: {}", tokens(&function.sig)));
                }
            }
        }
    }

    /// With the attributes that matter to users.
    fn line(&mut self, attributes: &[Attribute], text: String) {
        let matters = ["cfg", "derive", "must_use", "non_exhaustive", "deprecated", "repr"];
        let shown = attributes.iter().filter(|one| matters.iter().any(|name| one.path().is_ident(name)));
        let shown: String = shown.map(|one| format!(" {}", tokens(one))).collect();
        self.lines.insert(format!("{text}{shown}"));
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// As it is usually written, more or less: what matters is that it stays the same.
fn tokens(of: &impl ToTokens) -> String {
    let spaced = of.to_token_stream().to_string();
    let closer =
        [(" (", "("), ("( ", "("), (" )", ")"), (" ,", ","), (" :: ", "::"), (" < ", "<"), (" >", ">"), ("& ", "&")];
    let closer = closer.into_iter().chain([(" :", ":"), ("# [", "#["), ("[ ", "["), (" ]", "]"), (" ;", ";")]);
    closer.fold(spaced, |text, (from, to)| text.replace(from, to))
}
