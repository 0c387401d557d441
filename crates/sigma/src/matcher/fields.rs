//! The indexed atoms of one place: which of them a value passes.

use daachorse::DoubleArrayAhoCorasick;
use hashbrown::HashMap;

use super::atoms::Atoms;
use super::value_test::ValueTest;
use crate::condition::Placement;
use crate::pattern::fold;

/// Texts up to this length are remembered with what they pass; longer ones seldom come again.
const REMEMBERED_BYTES: usize = 512;
/// How many texts are remembered before all are forgotten.
const REMEMBERED_MAX: usize = 1 << 15;

/// Finds which indexed atoms of one place a value passes.
pub(super) struct FieldMatcher {
    place: usize,
    /// Whole texts, folded.
    whole: HashMap<String, Vec<u32>>,
    /// What the whole texts look like from outside.
    outlines: Outlines,
    automaton: Option<DoubleArrayAhoCorasick<u32>>,
    /// The atoms that each text of the automaton is for.
    texts: Vec<(String, Vec<Use>)>,
    /// Atoms that are tested on every value.
    others: Vec<u32>,
    remembered: HashMap<Box<str>, (u32, u32)>,
    lists: Vec<u32>,
    scratch: Vec<u32>,
}

/// What it takes for an atom to pass once its text is found.
#[derive(Clone, Copy)]
enum Use {
    Placed(u32, Placement),
    Tested(u32),
}

impl FieldMatcher {
    /// One for each place that a witness is at. What else is cheap there is looked for as well: the value is at hand.
    pub(super) fn all(atoms: &mut Atoms, witnessed: &[Vec<u32>]) -> Vec<Self> {
        let is_witness = |index: u32| !witnessed[index as usize].is_empty();
        let mut is_visited = vec![false; atoms.places().len()];
        (0..atoms.len() as u32).filter(|index| is_witness(*index)).for_each(|index| {
            is_visited[atoms.get(index).place] = true;
        });
        let mut by_place: Vec<Vec<u32>> = vec![Vec::new(); atoms.places().len()];
        for index in 0..atoms.len() as u32 {
            let place = atoms.get(index).place;
            let is_costly = atoms.places()[place].is_costly();
            let atom = atoms.get_mut(index);
            let is_cheap = match &atom.test {
                ValueTest::Whole(_) => true,
                ValueTest::Stands(text, _) => !text.is_empty(),
                ValueTest::Wildcard { gate, .. } => !gate.is_empty(),
                _ => false,
            };
            atom.is_indexed = !is_costly && is_visited[place] && (is_cheap || is_witness(index));
            if atom.is_indexed {
                by_place[place].push(index);
            }
        }
        let fields = by_place.iter().enumerate().filter(|(_, indexed)| !indexed.is_empty());
        fields.map(|(place, indexed)| Self::new(place, indexed, atoms)).collect()
    }

    fn new(place: usize, indexed: &[u32], atoms: &Atoms) -> Self {
        let mut whole: HashMap<String, Vec<u32>> = HashMap::new();
        let mut others = Vec::new();
        let mut texts: HashMap<String, Vec<Use>> = HashMap::new();
        for index in indexed {
            match &atoms.get(*index).test {
                ValueTest::Whole(text) => whole.entry(text.clone()).or_default().push(*index),
                ValueTest::Stands(text, placement) if !text.is_empty() => {
                    texts.entry(text.clone()).or_default().push(Use::Placed(*index, *placement));
                }
                ValueTest::Wildcard { gate, .. } if !gate.is_empty() => {
                    texts.entry(gate.clone()).or_default().push(Use::Tested(*index));
                }
                _ => others.push(*index),
            }
        }
        let texts: Vec<(String, Vec<Use>)> = texts.into_iter().collect();
        let automaton = DoubleArrayAhoCorasick::with_values(texts.iter().map(|(text, _)| text).zip(0u32..)).ok();
        if automaton.is_none() {
            others.extend(texts.iter().flat_map(|(_, uses)| uses.iter().map(|one| one.atom())));
        }
        Self {
            place,
            outlines: Outlines::of(whole.keys()),
            whole,
            automaton,
            texts,
            others,
            remembered: HashMap::new(),
            lists: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// The indexed atoms that a value passes.
    pub(super) fn passed(&mut self, value: &str, atoms: &Atoms) -> &[u32] {
        if self.texts.is_empty() && self.others.is_empty() && !self.outlines.may_hold(value) {
            return &[];
        }
        if let Some((start, end)) = self.remembered.get(value) {
            return &self.lists[*start as usize..*end as usize];
        }
        let mut found = std::mem::take(&mut self.scratch);
        found.clear();
        self.work_out(value, atoms, &mut found);
        self.scratch = found;
        if value.len() <= REMEMBERED_BYTES {
            self.remember(value);
        }
        &self.scratch
    }

    fn remember(&mut self, value: &str) {
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.clear();
            self.lists.clear();
        }
        let start = self.lists.len() as u32;
        self.lists.extend_from_slice(&self.scratch);
        self.remembered.insert(value.into(), (start, self.lists.len() as u32));
    }

    fn work_out(&self, value: &str, atoms: &Atoms, found: &mut Vec<u32>) {
        let folded = fold(value);
        if let Some(whole) = self.whole.get(&folded) {
            found.extend_from_slice(whole);
        }
        if let Some(automaton) = &self.automaton {
            for place in automaton.find_overlapping_iter(&folded) {
                let (text, uses) = &self.texts[place.value() as usize];
                for candidate in uses {
                    candidate.check(value, &folded, (place.start(), text.len()), atoms, found);
                }
            }
        }
        for atom in &self.others {
            if atoms.get(*atom).test.passes_folded(value, &folded) {
                found.push(*atom);
            }
        }
    }
}

/// Of some texts, which lengths come with which first, middle and last bytes: most values that are none of them are
/// told apart without being hashed.
struct Outlines([u64; Self::WORDS]);

impl Outlines {
    const WORDS: usize = 64;

    fn of<'t>(folded: impl Iterator<Item = &'t String>) -> Self {
        let mut words = [0; Self::WORDS];
        for text in folded {
            let (word, bit) = Self::place(text.as_bytes());
            words[word] |= 1 << bit;
        }
        Self(words)
    }

    /// Whether a value may be one of the texts once it is folded.
    fn may_hold(&self, value: &str) -> bool {
        let (word, bit) = Self::place(value.as_bytes());
        self.0[word] >> bit & 1 == 1 || !value.is_ascii()
    }

    fn place(text: &[u8]) -> (usize, u32) {
        let at = |index: usize| text.get(index).map_or(0, |byte| u64::from(byte.to_ascii_lowercase()));
        let ends = at(0) << 8 | at(text.len() / 2) << 16 | at(text.len().saturating_sub(1)) << 24;
        // Fibonacci hashing: the upper bits depend on all of them.
        let mixed = (ends | text.len() as u64 & 0xff).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 58) as usize, (mixed >> 52) as u32 & 63)
    }
}

impl Use {
    fn atom(self) -> u32 {
        match self {
            Self::Placed(atom, _) | Self::Tested(atom) => atom,
        }
    }

    /// Adds the atom if it passes with its text found at a place: (start, length) in the folded value.
    fn check(self, value: &str, folded: &str, found_at: (usize, usize), atoms: &Atoms, found: &mut Vec<u32>) {
        let (start, length) = found_at;
        let (atom, passes) = match self {
            Self::Placed(atom, Placement::Contains) => (atom, true),
            Self::Placed(atom, Placement::Start) => (atom, start == 0),
            Self::Placed(atom, Placement::End) => (atom, start + length == folded.len()),
            Self::Placed(atom, Placement::Whole) => (atom, start == 0 && length == folded.len()),
            Self::Tested(atom) => (atom, !found.contains(&atom) && atoms.get(atom).test.passes_folded(value, folded)),
        };
        if passes {
            found.push(atom);
        }
    }
}
