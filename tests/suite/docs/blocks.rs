//! The blocks of code in the project's pages.

use std::path::PathBuf;

/// Where pages are: every `*.md` in these directories.
const DIRECTORIES: [&str; 6] = ["", "benches", "deploy", "docs", "fuzz", "tests"];

/// A block of code.
#[derive(Debug, Clone)]
pub struct Block {
    /// The page, as `docs/operations.md`.
    pub page: String,
    /// The line on which it begins.
    pub line: usize,
    /// The first word after the fence.
    pub tag: String,
    /// The second one.
    pub note: String,
    /// What is in it, without the indentation of its fence.
    pub text: String,
}

impl Block {
    /// For messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// The text of a page.
pub fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of all pages.
pub fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for directory in DIRECTORIES {
        let Ok(files) = std::fs::read_dir(root().join(directory)) else { continue };
        for file in files {
            let name = file.unwrap().file_name().into_string().unwrap();
            if std::path::Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                pages.push(if directory.is_empty() { name } else { format!("{directory}/{name}") });
            }
        }
    }
    pages.sort();
    pages
}

/// The blocks of a page.
pub fn of(page_name: &str) -> Vec<Block> {
    let text = page(page_name);
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let (tag, note) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let block = Block { page: page_name.to_owned(), line: number + 1, tag, note, text: String::new() };
                open = Some((block, indent));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                block.text.push_str(line.get(*indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page_name}: a block has no end");
    blocks
}

/// The blocks of all pages.
pub fn all() -> Vec<Block> {
    let blocks: Vec<_> = pages().iter().flat_map(|page| of(page)).collect();
    assert!(blocks.len() > 30, "{}", blocks.len());
    blocks
}

/// Those with a tag.
pub fn tagged(tag: &str) -> Vec<Block> {
    all().into_iter().filter(|block| block.tag == tag).collect()
}
