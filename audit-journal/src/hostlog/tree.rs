//! The Merkle tree of RFC 6962, section 2, and its proofs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{JournalError, Result};

/// Hash of a leaf, a node or a whole tree.
pub(crate) type Hash = [u8; 32];

/// Hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// Hash of a node over its children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Whether `proof` shows that `leaf` is number `index` of the tree of `size` leaves with root
/// `root` (RFC 9162, section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old` leaves is the beginning of the one of `new` leaves
/// (RFC 9162, section 2.1.4.2).
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return false;
    }
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            from_old = node_hash(step, &from_old);
            from_new = node_hash(step, &from_new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

/// How many nodes are complete in a tree of `size` leaves.
pub(super) fn stored_count(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// How many leaves the tree has in which `stored` nodes are complete, if there is such a tree.
pub(super) fn leaves_of(stored: u64) -> Option<u64> {
    // 2n - popcount(n) lies in n..=2n and grows with n.
    let (mut low, mut high) = (stored / 2, stored);
    while low < high {
        let middle = low + (high - low) / 2;
        if stored_count(middle) < stored { low = middle + 1 } else { high = middle }
    }
    (stored_count(low) == stored).then_some(low)
}

/// Where the node of `level` that ends with leaf number `leaf` is stored.
fn stored_index(level: u32, leaf: u64) -> u64 {
    // The nodes a leaf completes follow it, from the bottom up.
    stored_count(leaf) + u64::from(level)
}

/// The complete nodes, in a file, in the order they became complete.
pub(super) struct Nodes<'a> {
    file: &'a File,
    path: &'a Path,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(file: &'a File, path: &'a Path) -> Self {
        Self { file, path }
    }

    pub(super) fn at(&self, index: u64) -> Result<Hash> {
        let mut hash = [0; 32];
        self.file
            .read_exact_at(&mut hash, index * 32)
            .map_err(|e| JournalError::io("read", self.path, e))?;
        Ok(hash)
    }
}

/// The nodes that become complete with leaf number `size`, from the bottom up.
pub(super) fn completed(nodes: &Nodes<'_>, size: u64, leaf: Hash) -> Result<Vec<Hash>> {
    let mut out = vec![leaf];
    let mut hash = leaf;
    for level in 0..size.trailing_ones() {
        // The left brother ends 2^level leaves before.
        let left = nodes.at(stored_index(level, size - (1 << level)))?;
        hash = node_hash(&left, &hash);
        out.push(hash);
    }
    Ok(out)
}

/// Root of the tree of `size` leaves.
pub(super) fn root(nodes: &Nodes<'_>, size: u64) -> Result<Hash> {
    let mut root: Option<Hash> = None;
    let mut end = size;
    // The complete subtrees, from the right, smallest first.
    while end > 0 {
        let level = end.trailing_zeros();
        let hash = nodes.at(stored_index(level, end - 1))?;
        root = Some(root.map_or(hash, |right| node_hash(&hash, &right)));
        end -= 1 << level;
    }
    Ok(root.unwrap_or_else(|| Sha256::digest(b"").into()))
}

/// Hash of the leaves `from..to`, which need not be a complete subtree.
fn range(nodes: &Nodes<'_>, from: u64, to: u64) -> Result<Hash> {
    let size = to - from;
    if size.is_power_of_two() {
        return nodes.at(stored_index(size.trailing_zeros(), to - 1));
    }
    let middle = from + size.next_power_of_two() / 2;
    Ok(node_hash(&range(nodes, from, middle)?, &range(nodes, middle, to)?))
}

/// The proof that leaf `index` is in the tree of `size` leaves (RFC 6962, section 2.1.1). `index`
/// must be below `size`.
pub(super) fn inclusion(nodes: &Nodes<'_>, index: u64, size: u64) -> Result<Vec<Hash>> {
    let (mut from, mut to, mut proof) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + (to - from).next_power_of_two() / 2;
        if index < middle {
            proof.push(range(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range(nodes, from, middle)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old` leaves is the beginning of the one of `new` leaves (RFC 6962,
/// section 2.1.2). `old` must be in `1..=new`.
pub(super) fn consistency(nodes: &Nodes<'_>, old: u64, new: u64) -> Result<Vec<Hash>> {
    let (mut from, mut to, mut proof) = (0, new, Vec::new());
    while old != to {
        let middle = from + (to - from).next_power_of_two() / 2;
        if old <= middle {
            proof.push(range(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range(nodes, from, middle)?);
            from = middle;
        }
    }
    // The old tree itself is known to whoever checks, unless it is only a part of what is left.
    if from > 0 {
        proof.push(range(nodes, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// A tree of which only the right edge is kept: leaves in, root out, in little memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first.
    edge: Vec<Hash>,
}

impl Frontier {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next leaf and hands the nodes it completes to `complete`, from the bottom up.
    pub(super) fn push(&mut self, leaf: Hash, mut complete: impl FnMut(&Hash)) {
        let mut hash = leaf;
        complete(&hash);
        for _ in 0..self.size.trailing_ones() {
            let left = self.edge.pop().unwrap_or_default();
            hash = node_hash(&left, &hash);
            complete(&hash);
        }
        self.edge.push(hash);
        self.size += 1;
    }

    pub(super) fn root(&self) -> Hash {
        let mut edge = self.edge.iter().rev();
        let Some(last) = edge.next() else { return Sha256::digest(b"").into() };
        edge.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_le_bytes())).collect()
    }

    /// The definition of RFC 6962, section 2.1, to the letter.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest(b"").into(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&mth(left), &mth(right))
            }
        }
    }

    fn split(n: usize) -> usize {
        n.next_power_of_two() / 2
    }

    /// The proofs of RFC 6962, sections 2.1.1 and 2.1.2, to the letter.
    fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut proof, brother) = if m < left.len() {
            (path(m, left), mth(right))
        } else {
            (path(m - left.len(), right), mth(left))
        };
        proof.push(brother);
        proof
    }

    fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if whole { Vec::new() } else { vec![mth(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut proof, brother) = if m <= left.len() {
            (subproof(m, left, whole), mth(right))
        } else {
            (subproof(m - left.len(), right, false), mth(left))
        };
        proof.push(brother);
        proof
    }

    #[test]
    fn the_stored_nodes_give_the_roots_and_proofs_of_the_definition() {
        let file = tempfile::tempfile().unwrap();
        let nodes = Nodes::new(&file, Path::new("hashes"));
        let all = leaves(70);
        let mut frontier = Frontier::default();
        let mut stored = 0;
        for (n, leaf) in all.iter().enumerate() {
            let size = n as u64;
            assert_eq!(root(&nodes, size).unwrap(), mth(&all[..n]));
            assert_eq!((frontier.size(), frontier.root()), (size, mth(&all[..n])));
            assert_eq!((stored_count(size), leaves_of(stored)), (stored, Some(size)));
            for index in 0..size {
                let proof = path(index as usize, &all[..n]);
                assert_eq!(inclusion(&nodes, index, size).unwrap(), proof);
            }
            for old in 1..=size {
                let proof = subproof(old as usize, &all[..n], true);
                assert_eq!(consistency(&nodes, old, size).unwrap(), proof);
            }
            let new = completed(&nodes, size, *leaf).unwrap();
            file.write_all_at(&new.concat(), stored * 32).unwrap();
            stored += new.len() as u64;
            let mut pushed = Vec::new();
            frontier.push(*leaf, |node| pushed.push(*node));
            assert_eq!(pushed, new);
        }
    }

    #[test]
    fn a_proof_of_inclusion_holds_for_its_own_leaf_only() {
        for size in 1..20 {
            let all = leaves(size);
            let root = mth(&all);
            for index in 0..size {
                let proof = path(index as usize, &all);
                let leaf = &all[index as usize];
                assert!(verify_inclusion(leaf, index, size, &root, &proof));
                for other in (0..size + 2).filter(|o| *o != index) {
                    assert!(!verify_inclusion(leaf, other, size, &root, &proof), "{other}");
                }
                for n in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[n][0] ^= 1;
                    assert!(!verify_inclusion(leaf, index, size, &root, &bad));
                    assert!(!verify_inclusion(leaf, index, size, &root, &proof[..n]));
                }
                let long = [proof, vec![root]].concat();
                assert!(!verify_inclusion(leaf, index, size, &root, &long));
            }
        }
    }

    #[test]
    fn a_proof_of_consistency_holds_for_its_own_trees_only() {
        for new in 1..20u64 {
            let all = leaves(new);
            let root = mth(&all);
            for old in 1..=new {
                let before = mth(&all[..old as usize]);
                let proof = subproof(old as usize, &all, true);
                assert!(verify_consistency(old, &before, new, &root, &proof), "{old} {new}");
                let other = leaf_hash(b"other");
                assert!(!verify_consistency(old, &other, new, &root, &proof));
                assert!(!verify_consistency(old, &before, new, &other, &proof));
                for n in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[n][31] ^= 1;
                    assert!(!verify_consistency(old, &before, new, &root, &bad));
                    assert!(!verify_consistency(old, &before, new, &root, &proof[..n]));
                }
            }
        }
    }
}
