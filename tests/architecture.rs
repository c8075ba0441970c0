//! Holds the imports between rooms against the table in ARCHITECTURE.md, because in one crate nothing else will.
//!
//! Every path in `src` is read: `use` with its braces, and paths in the middle of code. Tests may import what they
//! like: modules under `#[cfg(test)]` and files named `tests.rs` are left out. What a macro of another crate makes
//! is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Places where octets are judged without touching anything: a room, or a file or folder in one.
const PURE: [&str; 10] = [
    "message",
    "smtp",
    "senders",
    "rewrite",
    "session",
    "scheduler/lane",
    "scheduler/settle",
    "upstream/dialogue",
    "listener/gateway",
    "listener/proxy/header",
];

/// What such a place may not mention; a star stands for any ending.
const OUTSIDE: [&[&str]; 7] = [
    &["tokio"],
    &["std", "fs"],
    &["std", "net", "Tcp*"],
    &["std", "net", "Udp*"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["clock", "Clock"],
];

// ---------------------------------------------------------------------------------------------------------- the tests

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table = Table::read();
    let mut problems = Vec::new();
    for import in imports(&sources()) {
        match table.rows.get(&import.from) {
            Some(row) if row.may_import.contains(&import.to) => {}
            Some(_) => problems.push(format!(
                "{import}: `{}` may not import `{}`. Move the code, hand the value in from outside, or, when a real need shows and \
                 the arrow does not point back, add it to the table in ARCHITECTURE.md",
                import.from, import.to
            )),
            // The next test tells of rooms that are not in the table.
            None => {}
        }
    }
    report(problems);
}

#[test]
fn every_room_has_a_row_and_every_row_a_room() {
    let table = Table::read();
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let mut problems = Vec::new();
    for room in &rooms {
        if table.to_come.contains(room) {
            problems.push(format!("src/{room}: the room is there; move its row from \"Rooms to come\" to the map in ARCHITECTURE.md"));
        } else if !table.rows.contains_key(room) {
            problems.push(format!("src/{room}: give the room a row in the map in ARCHITECTURE.md"));
        }
    }
    for (room, row) in &table.rows {
        if !rooms.contains(room) {
            problems.push(format!("ARCHITECTURE.md:{}: there is no src/{room}; delete the row, or move it to \"Rooms to come\"", row.line));
        }
    }
    report(problems);
}

#[test]
fn arrows_in_the_table_point_one_way() {
    let table = Table::read();
    let mut problems = Vec::new();
    for (room, row) in &table.rows {
        for other in row.may_import.iter().filter(|other| !table.to_come.contains(*other)) {
            match table.rows.get(other) {
                Some(above) if above.line < row.line => {}
                Some(_) => problems.push(format!("ARCHITECTURE.md:{}: `{room}` may import only rooms above it, not `{other}`", row.line)),
                None => problems.push(format!("ARCHITECTURE.md:{}: `{room}` may import `{other}`, which is no room", row.line)),
            }
        }
    }
    report(problems);
}

#[test]
fn arrows_in_the_table_are_used() {
    let table = Table::read();
    let used: BTreeSet<(String, String)> = imports(&sources()).into_iter().map(|import| (import.from, import.to)).collect();
    let mut problems = Vec::new();
    for (room, row) in table.rows.iter().filter(|(_, row)| row.is_list) {
        for other in row.may_import.iter().filter(|other| !used.contains(&(room.clone(), (*other).clone()))) {
            problems.push(format!(
                "ARCHITECTURE.md:{}: nothing in `{room}` imports `{other}` (what only its tests import is not counted); take it out of the \
                 row, so that whoever needs it next has to ask",
                row.line
            ));
        }
    }
    report(problems);
}

#[test]
fn imports_make_no_circle() {
    let mut arrows: BTreeMap<String, BTreeMap<String, Import>> = BTreeMap::new();
    for import in imports(&sources()) {
        arrows.entry(import.from.clone()).or_default().entry(import.to.clone()).or_insert(import);
    }
    // A room that imports none of those left, or that none of them imports, is in no circle. What cannot be taken
    // away is the circle, and what lies between two of them.
    loop {
        let imported: BTreeSet<String> = arrows.values().flat_map(BTreeMap::keys).cloned().collect();
        let rooms: BTreeSet<String> = arrows.keys().cloned().collect();
        arrows.values_mut().for_each(|to| to.retain(|room, _| rooms.contains(room)));
        arrows.retain(|room, to| !to.is_empty() && imported.contains(room));
        if arrows.len() == rooms.len() {
            break;
        }
    }
    let circle = arrows.values().flat_map(BTreeMap::values);
    report(circle.map(|import| format!("{import}: part of a circle; one of these arrows must go")).collect());
}

#[test]
fn only_a_spool_attests_receipts() {
    let found = sources().into_iter().filter(|source| source.room != "spool").flat_map(|source| source.mentions);
    let calls = found.filter(|mention| has(&mention.path, &["Receipt", "committed"]));
    report(calls.map(|mention| format!("{mention}: only code under src/spool may attest that an entry is durable")).collect());
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    let mut problems = Vec::new();
    for source in sources().into_iter().filter(Source::is_pure) {
        for mention in source.mentions {
            if OUTSIDE.iter().any(|outside| has(&mention.path, outside)) {
                problems.push(format!("{mention}: this place is pure; let whoever calls it do this and hand in the result"));
            }
        }
    }
    report(problems);
}

#[test]
fn the_reader_sees_every_kind_of_import() {
    let text = r#"
        use crate::{clock::{Clock, Timestamp}, message as m, smtp::*};
        use super::super::spool;
        use super::neighbour;
        mod inner { use super::neighbour; fn f() { super::super::super::intake::g() } }
        fn f(x: &crate::cause::Cause) -> bool { matches!(x, crate::delivery::Scope::Message) } // crate::comment::x
        const S: &str = "crate::string::x";
        #[cfg(test)] mod tests { use crate::tests_only::x; }
        #[cfg(test)] mod script;
        #[cfg(all(test, unix))] use crate::tests_only;
        #[cfg(not(test))] use crate::tls;
    "#;
    let file = read(Path::new("src/room/file.rs"), text);
    let found: Vec<(String, usize)> = imports(&[file.source]).into_iter().map(|import| (import.to, import.mention.line)).collect();
    let want =
        [("clock", 2), ("clock", 2), ("message", 2), ("smtp", 2), ("spool", 3), ("intake", 5), ("cause", 6), ("delivery", 6), ("tls", 11)];
    assert_eq!(found, want.map(|(room, line)| (room.to_owned(), line)));
    assert_eq!(file.test_files, [PathBuf::from("src/room/file/script.rs"), PathBuf::from("src/room/file/script/mod.rs")]);
}

#[track_caller]
fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

// ---------------------------------------------------------------------------------------------------------- the table

/// What stands in the place of names where a room may import whatever stands above it.
const ALL_ABOVE: &str = "all above";

struct Table {
    rows: BTreeMap<String, Row>,
    to_come: BTreeSet<String>,
}

struct Row {
    line: usize,
    /// Whether it names its rooms one by one.
    is_list: bool,
    may_import: BTreeSet<String>,
}

impl Table {
    /// Rows are ``| `room` | what it does | may import |``; in the last cell names, a dash, or `all above`.
    fn read() -> Self {
        let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
        let mut table = Self { rows: BTreeMap::new(), to_come: BTreeSet::new() };
        let mut section = "";
        for (number, line) in text.lines().enumerate() {
            if let Some(title) = line.strip_prefix("## ") {
                section = title;
            }
            let Some(row) = line.strip_prefix("| `") else { continue };
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let room = cells[0].trim_end_matches('`').to_owned();
            match section {
                "The map" => {
                    let row = Row { line: number + 1, is_list: cells[2] != ALL_ABOVE, may_import: table.names(cells[2]) };
                    assert!(table.rows.insert(room.clone(), row).is_none(), "`{room}` has two rows");
                }
                "Rooms to come" => {
                    table.to_come.insert(room);
                }
                _ => {}
            }
        }
        assert!(!table.rows.is_empty(), "ARCHITECTURE.md has no table under \"## The map\"");
        table
    }

    fn names(&self, cell: &str) -> BTreeSet<String> {
        match cell {
            "–" => BTreeSet::new(),
            ALL_ABOVE => self.rows.keys().cloned().collect(),
            names => names.split([' ', ',', '`']).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        }
    }
}

// -------------------------------------------------------------------------------------------------------- the sources

/// One file, without its tests.
struct Source {
    room: String,
    file: PathBuf,
    mentions: Vec<Mention>,
}

/// A path in the code, with what is known of where it leads: `super` is resolved as far as the crate's root.
struct Mention {
    file: PathBuf,
    line: usize,
    path: Vec<String>,
}

/// A mention of another room.
struct Import {
    from: String,
    to: String,
    mention: Mention,
}

/// A file as it was read, and the files that it calls tests.
struct FileRead {
    source: Source,
    test_files: Vec<PathBuf>,
}

impl Source {
    fn is_pure(&self) -> bool {
        let inside = self.file.strip_prefix("src").expect("in src").with_extension("");
        PURE.iter().any(|place| inside.starts_with(place))
    }
}

impl std::fmt::Display for Mention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.path.join("::"))
    }
}

impl std::fmt::Display for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.mention.fmt(f)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    find_files(Path::new("src"), &mut files);
    let read: Vec<FileRead> = files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(root().join(&file)).expect("a source file");
            read(&file, &text)
        })
        .collect();
    let tests: BTreeSet<PathBuf> = read.iter().flat_map(|file| file.test_files.clone()).collect();
    read.into_iter().map(|file| file.source).filter(|source| !tests.contains(&source.file)).collect()
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder of sources") {
        let entry = entry.expect("an entry of the folder");
        let path = folder.join(entry.file_name());
        let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if entry.path().is_dir() && !is_tests {
            find_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_tests {
            files.push(path);
        }
    }
    files.sort();
}

fn read(file: &Path, text: &str) -> FileRead {
    let module = module_of(file);
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut reader = Reader { file, folder: folder_of(file), mentions: Vec::new(), test_files: Vec::new() };
    reader.walk(tokens, &module);
    let room = module.first().cloned().unwrap_or_else(|| file.file_stem().expect("a name").to_string_lossy().into_owned());
    FileRead { source: Source { room, file: file.to_owned(), mentions: reader.mentions }, test_files: reader.test_files }
}

/// `src/spool/body.rs` is `spool::body`, `src/spool/mod.rs` is `spool`, `src/lib.rs` is the root.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").expect("in src").with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| last == "mod" || last == "lib" || last == "main");
    module
}

/// Where the modules of a file are.
fn folder_of(file: &Path) -> PathBuf {
    let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
    let folder = file.parent().expect("a folder");
    if matches!(stem.as_str(), "mod" | "lib" | "main") { folder.to_owned() } else { folder.join(stem) }
}

fn imports(sources: &[Source]) -> Vec<Import> {
    let mut imports = Vec::new();
    for source in sources {
        for mention in &source.mentions {
            let leads_in = mention.path[0] == "crate" || (source.room == "main" && mention.path[0] == "mailferry");
            let Some(to) = mention.path.get(1).filter(|to| leads_in && **to != source.room) else { continue };
            let mention = Mention { file: mention.file.clone(), line: mention.line, path: mention.path.clone() };
            imports.push(Import { from: source.room.clone(), to: to.clone(), mention });
        }
    }
    imports
}

/// Whether `wanted` stands somewhere in `path`.
fn has(path: &[String], wanted: &[&str]) -> bool {
    let fits = |(name, wanted): (&String, &&str)| match wanted.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == wanted,
    };
    path.windows(wanted.len()).any(|part| part.iter().zip(wanted).all(fits))
}

// --------------------------------------------------------------------------------------------------------- the reader

struct Reader<'a> {
    file: &'a Path,
    folder: PathBuf,
    mentions: Vec<Mention>,
    test_files: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Notes every path in `tokens`, which stand in `module`.
    fn walk(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => self.attribute(&tokens, at),
                TokenTree::Ident(word) if *word == "mod" && group(&tokens, at + 2, Delimiter::Brace).is_some() => {
                    let inner = [module, &[tokens[at + 1].to_string()]].concat();
                    self.walk(group(&tokens, at + 2, Delimiter::Brace).expect("just seen"), &inner);
                    at + 3
                }
                TokenTree::Ident(_) => self.path(&tokens, at, &[], module),
                TokenTree::Group(group) => {
                    self.walk(group.stream(), module);
                    at + 1
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
            };
        }
    }

    /// Notes the path that begins with the word at `at`, all of them when it ends in braces. Gives what is behind it.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, before: &[String], module: &[String]) -> usize {
        let line = tokens[at].span().start().line;
        let mut path = before.to_vec();
        path.push(tokens[at].to_string());
        at += 1;
        while is_colons(tokens, at) {
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(word)) => path.push(word.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.tree(group.stream(), &path, module);
                    return at + 3;
                }
                // A star, or the type arguments of a call.
                _ => break,
            }
            at += 3;
        }
        self.mentions.push(Mention { file: self.file.to_owned(), line, path: resolved(path, module) });
        at
    }

    /// Notes each path in the braces of a `use`.
    fn tree(&mut self, tokens: TokenStream, before: &[String], module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Ident(word) if *word == "as" => at + 2,
                TokenTree::Ident(_) => self.path(&tokens, at, before, module),
                TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
            };
        }
    }

    /// Passes an attribute, and what it belongs to when that is only there in tests.
    fn attribute(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let inner = matches!(tokens.get(at + 1), Some(TokenTree::Punct(bang)) if bang.as_char() == '!');
        let bracket = at + 1 + usize::from(inner);
        let Some(content) = group(tokens, bracket, Delimiter::Bracket) else { return at + 1 };
        if !is_for_tests(content) {
            return bracket + 1;
        }
        if inner {
            return tokens.len();
        }
        let ends = |token: &TokenTree| match token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        let end = tokens[bracket..].iter().position(ends).map_or(tokens.len(), |found| bracket + found + 1);
        if let [.., TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_)] = &tokens[..end]
            && *word == "mod"
        {
            let name = name.to_string();
            self.test_files.extend([self.folder.join(format!("{name}.rs")), self.folder.join(name).join("mod.rs")]);
        }
        end
    }
}

/// Whether an attribute is `cfg(test)` or `cfg(all(test, …))`.
fn is_for_tests(attribute: TokenStream) -> bool {
    let text: String = attribute.to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

fn group(tokens: &[TokenTree], at: usize, delimiter: Delimiter) -> Option<TokenStream> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize, joint: bool| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == ':' && (!joint || punct.spacing() == Spacing::Joint),
        _ => false,
    };
    is_colon(at, true) && is_colon(at + 1, false)
}

/// A path from `module` that climbs to the crate's root by `super` begins with `crate` instead.
fn resolved(path: Vec<String>, module: &[String]) -> Vec<String> {
    let climbs = path.iter().take_while(|part| *part == "super").count();
    if climbs == 0 || climbs < module.len() {
        return path;
    }
    std::iter::once("crate".to_owned()).chain(path.into_iter().skip(climbs)).collect()
}
