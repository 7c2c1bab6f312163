//! A collection of values with numeric keys.

/// Names a value: its place, and which of the place's tenants it is. The key of a removed value finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    index: usize,
    tenancy: u64,
}

impl Key {
    /// The number of the place, which later values share.
    pub(crate) fn index(self) -> usize {
        self.index
    }
}

/// Values that stay in their place until they are removed.
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<usize>,
}

struct Place<T> {
    tenancy: u64,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[index];
            place.tenancy += 1;
            place.value = Some(value);
            return Key {
                index,
                tenancy: place.tenancy,
            };
        }
        self.places.push(Place {
            tenancy: 0,
            value: Some(value),
        });
        Key {
            index: self.places.len() - 1,
            tenancy: 0,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index)?;
        if place.tenancy == key.tenancy {
            place.value.as_mut()
        } else {
            None
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        let value = self.places[key.index].value.take();
        self.free.push(key.index);
        value
    }

    /// The key of the value that is at this place now.
    pub(crate) fn key_at(&self, index: usize) -> Option<Key> {
        let place = self.places.get(index)?;
        place.value.as_ref()?;
        Some(Key {
            index,
            tenancy: place.tenancy,
        })
    }

    /// The keys of all values that `wanted` holds for.
    pub(crate) fn keys(&self, wanted: impl Fn(&T) -> bool) -> Vec<Key> {
        let places = self.places.iter().enumerate();
        let tenants = places.filter(|(_, place)| place.value.as_ref().is_some_and(&wanted));
        tenants
            .map(|(index, place)| Key {
                index,
                tenancy: place.tenancy,
            })
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
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
        assert_eq!(third.index(), first.index(), "places are used again");
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
