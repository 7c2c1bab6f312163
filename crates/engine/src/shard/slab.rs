//! A collection of values with numeric keys.

/// Names a value: its place, and which of the place's tenants it is. The key of a removed value finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    index: usize,
    generation: u64,
}

impl Key {
    /// The number of the place, which later values share.
    pub(crate) fn index(self) -> usize {
        self.index
    }
}

/// Values that stay in their place until they are removed.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
}

struct Slot<T> {
    generation: u64,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index];
            slot.generation += 1;
            slot.value = Some(value);
            return Key {
                index,
                generation: slot.generation,
            };
        }
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        Key {
            index: self.slots.len() - 1,
            generation: 0,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index)?;
        if slot.generation == key.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        let value = self.slots[key.index].value.take();
        self.free.push(key.index);
        value
    }

    /// The key of the value that is at this place now.
    pub(crate) fn key_at(&self, index: usize) -> Option<Key> {
        let slot = self.slots.get(index)?;
        slot.value.as_ref()?;
        Some(Key {
            index,
            generation: slot.generation,
        })
    }

    /// The keys of all values that `wanted` holds for.
    pub(crate) fn keys(&self, wanted: impl Fn(&T) -> bool) -> Vec<Key> {
        let slots = self.slots.iter().enumerate();
        let occupied = slots.filter(|(_, slot)| slot.value.as_ref().is_some_and(&wanted));
        occupied
            .map(|(index, slot)| Key {
                index,
                generation: slot.generation,
            })
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Slab;

    #[test]
    fn a_key_finds_its_own_value_only() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        let second = slab.insert("second");
        assert_eq!(slab.remove(first), Some("first"));
        assert_eq!(slab.remove(first), None);
        let third = slab.insert("third");
        assert_eq!(third.index(), first.index(), "an index is used again");
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
        assert_eq!(slab.get_mut(third), Some(&mut "third"));
        assert_eq!(slab.key_at(third.index()), Some(third));
    }

    #[test]
    fn keys_are_those_of_the_values_asked_for() {
        let mut slab = Slab::new();
        assert!(slab.is_empty());
        let keys = [1, 2, 3, 4].map(|value| slab.insert(value));
        slab.remove(keys[1]);
        assert_eq!(slab.keys(|value| value % 2 == 0), [keys[3]]);
        for key in slab.keys(|_| true) {
            slab.remove(key);
        }
        assert!(slab.is_empty());
        assert_eq!(slab.key_at(0), None);
    }
}
